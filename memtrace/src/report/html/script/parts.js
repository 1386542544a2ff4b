// Parts of the run: the moments that bound them, and what stacks did between two.

// Where windows may begin and end, s after tracing began: of recordings where stacks' figures are known, otherwise
// where memory is.
function momentsOf({ timeline, processes }) {
  const times = timeline.ends.length ? timeline.ends : processes.flatMap((process) => process.memory.time);
  const within = times.filter((time) => time > 0 && time < timeline.watched);
  return [0, ...new Set(within.sort((a, b) => a - b)), timeline.watched];
}

// The chosen window, by numbers of moments; 0 as its end stands for the last one.
function windowOf({ moments }, { from, to }) {
  const end = moments.length - 1;
  const last = to > 0 ? Math.min(to, end) : end;
  const first = Math.min(from, last - 1);
  return { first, last, isPart: first > 0 || last < end, begin: moments[first], until: moments[last] };
}

// By how much an account's rows changed in some parts.
function changesOf(account, name, first, last) {
  const bytes = new Float64Array(account.node.length);
  const count = new Float64Array(account.node.length);
  for (const part of account.parts.slice(first, last)) {
    const [moreBytes, moreBlocks] = part[name];
    for (let at = 0; at < moreBytes.length; at++) {
      bytes[part.row[at]] += moreBytes[at];
      count[part.row[at]] += moreBlocks[at];
    }
  }
  return { bytes, count };
}

// An account as it was in a window: all of its figures are exact, as those of the parts are.
function partOf(account, { first, last }) {
  const exact = { note: "", low: [], high: [], count_low: [], count_high: [] };
  const live = { ...exact, key: "live", name: "live at its end", ...changesOf(account, "live", 0, last) };
  const gained = { ...exact, key: "gained", name: "more than at its beginning", ...onlyMore(account, first, last) };
  const done = [["allocated", "allocated in it"], ["freed", "freed again in it"], ["temporary", "temporary in it"]];
  const others = done.map(([key, name]) => {
    const note = account.views.find((view) => view.key === key)?.note ?? "";
    return { ...exact, key, name, note, ...changesOf(account, key, first, last) };
  });
  const isSomething = (view) => view.bytes.some((value) => value > 0) || view.count.some((value) => value > 0);
  const views = [live, ...[gained, ...others].filter(isSomething)];
  // Ages are those at the report's moment.
  return { ...account, views, oldest: [], isPart: true };
}

// What stacks hold more at the end than at the beginning. What others hold less is told beside it.
function onlyMore(account, first, last) {
  const { bytes, count } = changesOf(account, "live", first, last);
  let less = 0;
  for (let row = 0; row < bytes.length; row++) {
    if (bytes[row] >= 0 && count[row] >= 0) continue;
    less -= Math.min(bytes[row], 0);
    bytes[row] = Math.max(bytes[row], 0);
    count[row] = Math.max(count[row], 0);
  }
  return { bytes, count, note: less ? `Stacks that hold less than at its beginning are left out: ${formatBytes(less)} less.` : "" };
}
