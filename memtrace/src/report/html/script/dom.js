// Elements of the page. Text gets there as text only: the page's policy forbids to make markup of it.

function byId(id) {
  return document.getElementById(id);
}

// An element with attributes and what is in it: elements and text.
function make(tag, attributes = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...inside);
  return element;
}

function button(text, onClick, attributes = {}) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", onClick);
  return element;
}

// Gives a select its options, [value, text] each, and chooses one.
function choose(select, options, value) {
  select.replaceChildren(...options.map(([key, text]) => make("option", { value: key }, text)));
  select.value = value;
  // With one there is nothing to choose.
  select.parentElement.hidden = options.length < 2;
}

// Words and what there is to say of each.
function pairs(entries) {
  return make("dl", {}, ...entries.flatMap(([word, text]) => [make("dt", {}, word), make("dd", {}, text)]));
}
