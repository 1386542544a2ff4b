// What is said of the whole and of each process: totals, verdicts, and what was lost or is an estimate.

function totalRow({ name, bytes, count, range, count_range: countRange }) {
  const format = range ? formatBytes : formatExactBytes;
  const [low, high] = range ?? [bytes, bytes];
  const [least, most] = countRange ?? [count, count];
  const cells = [
    bytes === null ? "" : estimate(bytes, low, high, format),
    count === null ? "" : estimate(count, least, most, formatCount),
  ];
  const numbers = cells.map((text) => make("td", { class: "number" }, text));
  return make("tr", {}, make("th", { scope: "row" }, name), ...numbers);
}

function processPart(process) {
  const words = make("span", { class: "verdict", "data-verdict": process.verdict_key }, process.verdict);
  const reasons = process.explanation.map((text) => `${text}.`).join(" ");
  const known = [["program", process.exe], ["command", process.command], ["facts", process.facts.join("; ")]];
  const titles = ["", "Bytes", "Number"];
  const head = make("tr", {}, ...titles.map((text) => make("th", { scope: "col", class: "number" }, text)));
  return make(
    "section",
    { class: "process" },
    make("h2", {}, `${process.comm} (pid ${process.pid})`),
    make("p", {}, words, reasons && `: ${reasons}`),
    pairs(known.filter(([, text]) => text)),
    make("div", { class: "wide" }, make("table", {}, head, ...process.totals.map(totalRow))),
  );
}

function showSummary(report, panel) {
  const losses = report.losses.map(([cause, number]) => {
    const name = make("th", { scope: "row" }, cause.replaceAll("_", " "));
    return make("tr", {}, name, make("td", { class: "number" }, formatCount(number)));
  });
  panel.replaceChildren(
    make("p", {}, report.how.join("; ")),
    make("h2", {}, "What the figures rest on"),
    pairs(report.sentences.map(([word, text]) => [word.toLowerCase(), text])),
    make("h2", {}, "Processes"),
    ...report.processes.map((process) => processPart(process)),
    make("h2", {}, "What was lost or not seen"),
    make("table", { class: "losses" }, ...losses),
  );
}
