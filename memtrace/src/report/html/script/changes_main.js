// Puts the parts of differences together: state → tree → graph, table and summary; keys and clicks → state.

const report = new Differences(JSON.parse(byId("data").textContent));
const CHECKS = ["inverted", "lines"];
const WAYS = [["", "grew and shrank"], ["grew", "only what grew"], ["shrank", "only what shrank"]];
const state = new State(() => render());
const graph = new Graph(report, { zoom: (node) => state.set({ zoom: node }, true), describe, Brush: ChangePainter });
const table = new Table(byId("table"), byId("pages"), set);

// The last tree and the last search, and what they were made of.
const made = { tree: null, treeKey: null, match: null, matchKey: null };

// The parts of the state that make sense here.
function current() {
  const by = state.values.by === "blocks" ? "blocks" : "bytes";
  const process = state.values.process < report.processes.length ? state.values.process : -1;
  const view = WAYS.some(([key]) => key === state.values.view) ? state.values.view : "";
  return { ...state.values, by, process, view };
}

function treeOf(shown) {
  const { by, process, view, inverted, lines } = shown;
  const key = JSON.stringify([by, process, view, inverted, lines]);
  if (made.treeKey !== key) Object.assign(made, { treeKey: key, tree: buildChanges(report, report.rowsOf(shown), shown) });
  return made.tree;
}

function matchOf(search) {
  if (made.matchKey !== search) Object.assign(made, { matchKey: search, match: matchingFrames(report, search) });
  return made.match;
}

// What a node held, holds, and the difference.
function amount(tree, node, { by }) {
  const [before, after] = [tree.before[node], tree.after[node]];
  const format = by === "blocks" ? (value) => `${formatCount(value)} blocks` : formatExactBytes;
  const about = report[by].is_estimate.some(Boolean) ? "about " : "";
  return `${about}${signed(after - before, format)}: before ${format(before)}, after ${format(after)}`;
}

function describe(node) {
  const shown = current();
  const tree = treeOf(shown);
  const lines = whereIs(report, tree, node);
  lines.push(amount(tree, node, shown));
  return lines.filter(Boolean).join("\n");
}

function renderControls(shown) {
  choose(byId("view"), WAYS, shown.view);
  choose(byId("by"), [["bytes", "bytes"], ["blocks", "blocks"]], shown.by);
  const processes = report.processes.map((name, number) => [String(number), name]);
  choose(byId("process"), [["-1", "all"], ...processes], String(shown.process));
  byId("process").parentElement.hidden = processes.length < 2;
  for (const name of CHECKS) {
    byId(name).checked = shown[name];
    byId(name).parentElement.hidden = report.by !== "stack";
  }
  if (byId("search").value !== shown.search) byId("search").value = shown.search;
}

function renderGraph(shown) {
  const tree = treeOf(shown);
  const zoom = shown.zoom < tree.count ? shown.zoom : ROOT;
  const frames = matchOf(shown.search);
  const match = frames && matchTree(tree, frames);
  byId("shown").textContent = amount(tree, zoom, shown);
  renderPath(tree, zoom);
  graph.show(tree, zoom, match);
  byId("selected").textContent = describe(graph.selected);
}

function renderTable(shown) {
  const match = matchOf(shown.search);
  const found = match && matchNodes(report, match, 0);
  // By bytes as well as by blocks: the table has both.
  const all = report.rowsOf({ ...shown, by: shown.sort === "change_blocks" ? "blocks" : "bytes" });
  const rows = all.filter((row) => !found || found[report.node[row]]);
  byId("matches").textContent = `${formatCount(rows.length)} differences${match ? " match" : ""}`;
  table.show(changeColumns(report), rows, shown, changeDetails(report));
}

function render() {
  const shown = current();
  renderTheme(shown);
  const tab = TABS.includes(shown.tab) ? shown.tab : "graph";
  renderControls(shown);
  renderTabs(tab);
  if (tab === "graph") renderGraph(shown);
  if (tab === "table") renderTable(shown);
}

function reset() {
  const { tab, theme } = state.values;
  set({ ...DEFAULTS, tab, theme });
}

function begin() {
  byId("subtitle").textContent = report.notes[0];
  byId("note").textContent = report.notes[1];
  document.title = `memtrace: ${report.names.join(" → ")}`;
  byId("degraded").textContent = report.degraded.join("; ");
  byId("degraded").hidden = report.degraded.length === 0;
  showDifferences(report, byId("summary-panel"));
  for (const name of ["view", "by"]) byId(name).addEventListener("change", () => set({ [name]: byId(name).value }));
  byId("process").addEventListener("change", () => set({ process: Number(byId("process").value) }));
  for (const name of CHECKS) byId(name).addEventListener("change", () => set({ [name]: byId(name).checked }));
  listenToAll();
  render();
}

begin();
