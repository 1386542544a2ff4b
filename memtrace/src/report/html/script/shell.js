// What all pages have: tabs, the theme, and keys. Each page has its own `report`, `state`, `graph`, `describe` and `reset`.

const TABS = ["graph", "table", "summary"];

function set(changes) {
  state.set(changes);
}

function renderPath(tree, zoom) {
  const steps = tree.path(zoom).map((node) => button(tree.name(node), () => state.set({ zoom: node }, true)));
  byId("path").replaceChildren(...steps.flatMap((step, at) => (at ? ["›", step] : [step])));
}

function renderTheme({ theme }) {
  const known = theme === "light" || theme === "dark";
  if (known) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").textContent = isDark() ? "light" : "dark";
}

function renderTabs(tab) {
  for (const name of TABS) {
    byId(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    byId(`${name}-panel`).hidden = name !== tab;
  }
  byId("controls").hidden = tab === "summary";
  // Tables have no direction, and are sorted by any column.
  for (const name of ["inverted", "by"]) byId(name).parentElement.hidden ||= tab === "table";
}

function escape() {
  if (state.values.search) return set({ search: "" });
  // The number is one of the graph's tree; the table has another.
  const { zoom, tab } = state.values;
  const { tree } = graph;
  if (zoom && tab === "graph" && tree) state.set({ zoom: Math.max(tree.parent[Math.min(zoom, tree.count - 1)], ROOT) }, true);
}

const KEYS = {
  "/": () => byId("search").focus(),
  i: () => set({ inverted: !state.values.inverted }),
  w: () => set({ from: 0, to: 0 }),
  r: reset,
  1: () => set({ tab: "graph" }),
  2: () => set({ tab: "table" }),
  3: () => set({ tab: "summary" }),
  "?": () => byId("help").showModal(),
};

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || byId("help").open) return;
  if (event.key === "Escape") {
    escape();
    byId("canvas").focus();
    return;
  }
  if (event.target.matches("input[type=search], input[type=range], select")) return;
  if (KEYS[event.key]) KEYS[event.key]();
  else if (event.target !== byId("canvas") || !graphKey(event.key)) return;
  event.preventDefault();
}

// Keys of the graph, when it has the focus. Gives whether it is one.
function graphKey(key) {
  if (key === "Enter") state.set({ zoom: graph.selected }, true);
  else if (!graph.move(key)) return false;
  byId("selected").textContent = describe(graph.selected);
  return true;
}

function listenToAll() {
  byId("search").addEventListener("input", () => set({ search: byId("search").value }));
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", reset);
  for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => set({ tab: name }));
  byId("theme").addEventListener("click", () => set({ theme: isDark() ? "light" : "dark" }));
  byId("help-open").addEventListener("click", () => byId("help").showModal());
  byId("canvas").addEventListener("focus", () => graph.draw());
  byId("canvas").addEventListener("blur", () => graph.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
  addEventListener("keydown", onKey);
}
