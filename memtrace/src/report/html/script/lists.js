// What the table lists: call stacks or functions.

function amountColumns({ view, account }, total) {
  const columns = [
    { key: "bytes", title: "Bytes", value: (it) => it.bytes, cell: (it) => about(view, formatBytes(it.bytes)) },
  ];
  if (view.count.length) {
    const title = account.unit[0].toUpperCase() + account.unit.slice(1);
    columns.push({ key: "blocks", title, value: (it) => it.blocks, cell: (it) => about(view, formatCount(it.blocks)) });
  }
  columns.push({
    key: "share",
    title: "Share",
    value: (it) => it.bytes,
    cell: (it) => formatShare(it.bytes, total),
    isMinor: true,
  });
  return columns;
}

// Figures of a view from samples are estimates, and their sums, too.
function about(view, text) {
  return view.low.length ? `about ${text}` : text;
}

// An estimate and where it lies.
function estimate(value, low, high, format) {
  return low < high ? `about ${format(value)} (${format(low)} to ${format(high)})` : format(value);
}

const AGE = {
  key: "age",
  title: "Oldest",
  value: (it) => it.oldest,
  cell: (it) => (it.oldest < 0 ? "–" : formatAge(it.oldest)),
  isMinor: true,
};

// Rows that match, with their figures in the view.
function stackRows(report, { account, view }, state, match) {
  const rows = [];
  const found = match && matchNodes(report, match, state.hidden);
  for (const row of rowsOf(account, state)) {
    const bytes = view.bytes[row];
    const blocks = view.count[row] ?? 0;
    if (!bytes && !blocks) continue;
    const node = account.node[row];
    if (found && !found[node]) continue;
    rows.push({ row, node, bytes, blocks, oldest: account.oldest[row] ?? -1 });
  }
  return rows;
}

function stackColumns(report, shown, state, total) {
  const top = (it) => report.framesOf(it.node, state.hidden)[0];
  const label = (it) => frameLabel(report, top(it));
  const columns = [
    ...amountColumns(shown, total),
    AGE,
    { key: "stack", title: "Innermost function", value: label, cell: label, isText: true },
  ];
  if (shown.account.thread.length) {
    const thread = (it) => shown.account.thread[it.row];
    const cell = (it) => (thread(it) < 0 ? "–" : String(thread(it)));
    columns.push({ key: "thread", title: "Thread", value: thread, cell, isMinor: true });
  }
  if (report.processes.length > 1) {
    const name = (it) => report.processName(shown.account.process[it.row]);
    columns.push({ key: "process", title: "Process", value: name, cell: name, isMinor: true, isWord: true });
  }
  return columns;
}

// A stack's frames, other figures and where they lie.
function stackDetails(report, { account }, state) {
  return ({ row, node }) => {
    const frames = frameItems(report, report.framesOf(node, state.hidden));
    const figures = account.views.filter((view) => view.bytes[row]).map((view) => {
      const format = view.low.length ? formatBytes : formatExactBytes;
      const bytes = estimate(view.bytes[row], view.low[row], view.high[row], format);
      const number = estimate(view.count[row], view.count_low[row], view.count_high[row], formatCount);
      return make("div", {}, `${view.name}: ${bytes}${view.count.length ? ` in ${number} ${account.unit}` : ""}`);
    });
    const end = report.text(account.end[row]);
    const doubtful = account.doubtful[row] ?? 0;
    const doubt = doubtful
      ? [make("div", {}, `perhaps freed unseen: up to ${formatCount(doubtful)} ${doubtfulUnit(account)}`)]
      : [];
    return make("div", {}, make("ol", {}, ...frames), end && `(${end})`, ...figures, ...doubt);
  };
}

// What is counted where records of frees were lost: of samples nobody knows more than the samples.
function doubtfulUnit(account) {
  const isSampled = account.views.some((view) => view.key === "live" && view.low.length);
  return isSampled ? `sampled ${account.unit}` : account.unit;
}

// Functions with what they allocated themselves and with what they called. A function that is in a stack
// several times counts once.
function functionRows(report, { account, view }, state, match) {
  const rows = new Map();
  const at = (frame) => {
    const key = state.lines ? frame : report.functionOf[frame];
    let found = rows.get(key);
    if (!found) {
      found = { frame, self: 0, bytes: 0, blocks: 0, oldest: -1, last: -1, isMatch: false };
      rows.set(key, found);
    }
    return found;
  };
  for (const { row, node, bytes, blocks, oldest } of stackRows(report, { account, view }, state, null)) {
    let isInnermost = true;
    for (const frame of report.framesOf(node, state.hidden)) {
      const it = at(frame);
      if (isInnermost) it.self += bytes;
      isInnermost = false;
      it.isMatch ||= Boolean(match?.[frame]);
      if (it.last === row) continue;
      it.last = row;
      it.bytes += bytes;
      it.blocks += blocks;
      it.oldest = Math.max(it.oldest, oldest);
    }
  }
  return [...rows.values()].filter((it) => !match || it.isMatch);
}

function functionColumns(report, shown, state, total, onFind) {
  const label = (it) => (state.lines ? frameLabel(report, it.frame) : report.name(it.frame));
  const self = (it) => it.self;
  const module = (it) => report.module(it.frame);
  return [
    ...amountColumns(shown, total),
    { key: "self", title: "Itself", value: self, cell: (it) => about(shown.view, formatBytes(it.self)) },
    AGE,
    {
      key: "function",
      title: "Function",
      value: label,
      cell: (it) =>
        button(label(it), () => onFind(report.name(it.frame)), { class: "plain", title: "Find in the graph" }),
      isText: true,
    },
    { key: "module", title: "Module", value: module, cell: module, isMinor: true, isWord: true },
  ];
}
