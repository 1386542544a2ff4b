// Puts the parts together: state → tree → graph, table and summary; keys and clicks → state.

const report = new Report(JSON.parse(byId("data").textContent));
const CHECKS = ["inverted", "internals", "imports", "lines"];
const state = new State(() => render());
const graph = new Graph(report, { zoom: (node) => state.set({ zoom: node }, true), describe });
const memory = new MemoryGraph(report, (from, to) => set({ from, to }));
const table = new Table(byId("table"), byId("pages"), set);

// Trees that are kept: of two one can switch back and forth, and large ones need much memory.
const KEPT_TREES = 2;

// What was made of a part of the state, by that part: most changes leave most of it as it is.
const made = { trees: new Map(), tree: null, match: null, matchKey: null, part: null, partKey: null };

// What an account did in a window, where that is known.
function within(account, window) {
  if (!window.isPart || !account?.parts.length) return account;
  const key = [account.key, window.first, window.last].join();
  if (made.partKey !== key) Object.assign(made, { partKey: key, part: partOf(account, window) });
  return made.part;
}

// The parts of the state that make sense in this report.
function current() {
  const window = windowOf(report, state.values);
  const account = within(report.account(state.values.account), window);
  const view = account && report.view(account, state.values.view);
  const by = view?.count.length ? state.values.by : "bytes";
  const process = state.values.process < report.processes.length ? state.values.process : -1;
  const thread = account?.thread.includes(state.values.thread) ? state.values.thread : -1;
  const hidden = hiddenFlags(state.values);
  return { ...state.values, by: by === "blocks" ? by : "bytes", process, thread, account, view, window, hidden };
}

function treeOf(shown) {
  const { account, view, by, process, thread, window, inverted, hidden, lines } = shown;
  const { first, last } = account.isPart ? window : {};
  const key = JSON.stringify([account.key, view.key, by, process, thread, first, last, inverted, hidden, lines]);
  made.tree = made.trees.get(key) ?? buildTree(report, account, view, shown);
  // The last one that was used is the last one to go.
  made.trees.delete(key);
  made.trees.set(key, made.tree);
  if (made.trees.size > KEPT_TREES) made.trees.delete(made.trees.keys().next().value);
  return made.tree;
}

function matchOf(search) {
  if (made.matchKey !== search) {
    made.match = matchingFrames(report, search);
    made.matchKey = search;
  }
  return made.match;
}

function amount(tree, node, shown) {
  const bytes = formatExactBytes(tree.bytes[node]);
  const blocks = shown.view.count.length ? `, ${formatCount(tree.blocks[node])} ${shown.account.unit}` : "";
  return about(shown.view, bytes + blocks);
}

// A node's function, where it is and what it holds: lines of text.
function describe(node) {
  const shown = current();
  const tree = treeOf(shown);
  const lines = whereIs(report, tree, node);
  const share = formatShare(tree.values[node], tree.values[ROOT]);
  const oldest = tree.oldest[node] < 0 ? "" : `, oldest ${formatAge(tree.oldest[node])}`;
  lines.push(`${shown.view.name}: ${amount(tree, node, shown)}, ${share}${oldest}`);
  return lines.filter(Boolean).join("\n");
}

function renderControls(shown) {
  choose(byId("account"), report.accounts.map((it) => [it.key, it.name]), shown.account.key);
  choose(byId("view"), shown.account.views.map((it) => [it.key, it.name]), shown.view.key);
  const units = [["bytes", "bytes"], ["blocks", shown.account.unit]];
  choose(byId("by"), shown.view.count.length ? units : units.slice(0, 1), shown.by);
  const processes = report.processes.map((_, number) => [String(number), report.processName(number)]);
  choose(byId("process"), [["-1", "all"], ...processes], String(shown.process));
  byId("process").parentElement.hidden = processes.length < 2;
  choose(byId("thread"), [["-1", "all"], ...threadsOf(shown)], String(shown.thread));
  for (const name of CHECKS) byId(name).checked = shown[name];
  byId("inverted").parentElement.hidden = false;
  byId("imports").parentElement.hidden = !report.hasImports;
  if (byId("search").value !== shown.search) byId("search").value = shown.search;
  byId("rows").value = shown.rows === "functions" ? "functions" : "stacks";
  const notes = [shown.account.note, shown.view.note].filter(Boolean);
  byId("note").textContent = notes.join(" ");
  byId("note").hidden = !notes.length;
}

// Threads that allocated, of the chosen process.
function threadsOf({ account, process }) {
  const threads = account.thread.filter((thread, row) => thread >= 0 && (process < 0 || account.process[row] === process));
  return [...new Set(threads)].sort((a, b) => a - b).map((thread) => [String(thread), String(thread)]);
}

function renderGraph(shown) {
  const tree = treeOf(shown);
  const zoom = shown.zoom < tree.count ? shown.zoom : ROOT;
  const frames = matchOf(shown.search);
  const match = frames && matchTree(tree, frames);
  const whole = `${shown.view.name}: ${amount(tree, zoom, shown)}`;
  const unit = (value) => (shown.by === "blocks" ? `${formatCount(value)} ${shown.account.unit}` : formatBytes(value));
  const found = match && `; matches: ${unit(match.sum)}, ${formatShare(match.sum, tree.values[ROOT])} of all`;
  byId("shown").textContent = whole + (found ?? "");
  renderPath(tree, zoom);
  graph.show(tree, zoom, match);
  byId("selected").textContent = describe(graph.selected);
}

function renderTable(shown) {
  const match = matchOf(shown.search);
  const total = treeOf({ ...shown, by: "bytes", inverted: false }).bytes[ROOT];
  const isFunctions = shown.rows === "functions";
  const rows = (isFunctions ? functionRows : stackRows)(report, shown, shown, match);
  const find = (name) => set({ tab: "graph", search: name });
  const columns = isFunctions
    ? functionColumns(report, shown, shown, total, find)
    : stackColumns(report, shown, shown, total);
  const what = isFunctions ? "functions" : "call stacks";
  byId("matches").textContent = `${formatCount(rows.length)} ${what}${match ? " match" : ""}; ${shown.view.name}`;
  table.show(columns, rows, shown, isFunctions ? null : stackDetails(report, shown, shown));
}

function render() {
  const shown = current();
  renderTheme(shown);
  const wanted = TABS.includes(shown.tab) ? shown.tab : "graph";
  // Where no block was seen there is nothing to draw, and much to say.
  const tab = shown.account ? wanted : "summary";
  if (shown.account) renderControls(shown);
  renderTabs(tab);
  memory.show(shown, tab !== "summary");
  if (tab === "graph") renderGraph(shown);
  if (tab === "table") renderTable(shown);
}

function reset() {
  const { tab, theme, account, view } = state.values;
  set({ ...DEFAULTS, tab, theme, account, view });
}

function listen() {
  for (const name of ["account", "view", "by", "rows"]) {
    byId(name).addEventListener("change", () => set({ [name]: byId(name).value }));
  }
  for (const name of ["process", "thread"]) {
    byId(name).addEventListener("change", () => set({ [name]: Number(byId(name).value) }));
  }
  for (const name of CHECKS) byId(name).addEventListener("change", () => set({ [name]: byId(name).checked }));
  listenToAll();
}

function begin() {
  const names = report.processes.map((_, number) => report.processName(number));
  const who = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  byId("subtitle").textContent = [who, `report ${report.sequence}, ${report.time}`].filter(Boolean).join(" – ");
  document.title = `memtrace: ${who}`;
  byId("degraded").textContent = `Not what was asked for: ${report.degraded.join("; ")}`;
  byId("degraded").hidden = report.degraded.length === 0;
  showSummary(report, byId("summary-panel"));
  listen();
  render();
}

begin();
