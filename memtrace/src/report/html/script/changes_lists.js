// What the table of differences lists, and what the summary says.

function changeColumn(report, by, format) {
  return (key, title, value, isMinor) => ({
    key,
    title,
    value: (row) => value(report.figures(by, row)),
    cell: (row) => {
      const it = report.figures(by, row);
      if (key.startsWith("change")) {
        if (!it.isKnown) return changeText(it, format);
        return `${it.isEstimate ? "about " : ""}${signed(it.change, format)}`;
      }
      const name = key.replace("blocks_", "");
      return sideText(it[name], name === "before" ? it.isAllBefore : it.isAllAfter, format);
    },
    isMinor,
  });
}

function changeColumns(report) {
  const bytes = changeColumn(report, "bytes", formatBytes);
  const blocks = changeColumn(report, "blocks", formatCount);
  const size = (it) => Math.abs(it.change);
  const side = (name) => (it) => it[name] ?? -1;
  const label = (row) => frameLabel(report, report.framesOf(report.node[row], 0)[0]);
  const columns = [
    bytes("change", "Difference", size),
    bytes("before", "Before", side("before"), true),
    bytes("after", "After", side("after")),
    blocks("change_blocks", "Blocks", size),
    blocks("blocks_before", "Blocks before", side("before"), true),
    blocks("blocks_after", "Blocks after", side("after"), true),
    { key: "stack", title: report.by === "stack" ? "Innermost function" : "What", value: label, cell: label, isText: true },
  ];
  if (report.processes.length > 1) {
    const name = (row) => (report.process[row] < 0 ? "–" : report.processName(report.process[row]));
    columns.push({ key: "process", title: "Process", value: name, cell: name, isMinor: true, isWord: true });
  }
  return columns;
}

// A row's frames, and all of its figures.
function changeDetails(report) {
  return (row) => {
    const frames = frameItems(report, report.framesOf(report.node[row], 0));
    const lines = [["bytes", formatExactBytes], ["blocks", formatCount]].map(([by, format]) => {
      const it = report.figures(by, row);
      const before = sideText(it.before, it.isAllBefore, format);
      const after = sideText(it.after, it.isAllAfter, format);
      return make("div", {}, `${by}: ${before} → ${after}: ${changeText(it, format)}`);
    });
    const allocator = report.text(report.allocator[row]);
    if (allocator) lines.push(make("div", {}, `allocated by ${allocator}`));
    return make("div", {}, make("ol", {}, ...frames), ...lines);
  };
}

function showDifferences(report, panel) {
  const titles = ["", "A: before", "B: after"];
  const head = make("tr", {}, ...titles.map((text) => make("th", { scope: "col" }, text)));
  const sides = report.sides.map(([word, before, after]) =>
    make("tr", {}, make("th", { scope: "row" }, word), ...[before, after].map((text) => make("td", {}, text))),
  );
  panel.replaceChildren(
    ...report.notes.slice(0, 2).map((text) => make("p", {}, text)),
    make("h2", {}, "What was compared"),
    make("div", { class: "wide" }, make("table", { class: "losses" }, head, ...sides)),
    make("h2", {}, "What was lost, is an estimate or is not known"),
    make("ul", {}, ...report.notes.slice(2).map((text) => make("li", {}, text))),
  );
}
