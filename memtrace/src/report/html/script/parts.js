// Parts of the run: the moments that bound them, and what stacks did between two.

// Where windows may begin and end, s after tracing began: of recordings where stacks' figures are known, otherwise
// where memory is.
function momentsOf({ timeline, processes }) {
  const times = timeline.ends.length ? timeline.ends : processes.flatMap((process) => process.memory.time);
  const within = times.filter((time) => time > 0 && time < timeline.watched);
  return [0, ...new Set(within.sort((a, b) => a - b)), timeline.watched];
}

// The moment that the page begins with, by its number: another than the first one where it is of a part of the run. It is
// within 64 ns of what was asked for, or before it where nothing had happened yet.
function beginOf(moments, { from }) {
  const later = from === null ? 1 : moments.findIndex((moment) => moment > from + 1e-6);
  return later < 0 ? moments.length - 2 : Math.max(0, later - 1);
}

// The chosen window, by numbers of moments; 0 as its end stands for the last one.
function windowOf({ moments, begin }, { from, to }) {
  const end = moments.length - 1;
  const last = to > begin ? Math.min(to, end) : end;
  const first = Math.max(begin, Math.min(from, last - 1));
  const isAll = first === begin && last === end;
  return { first, last, isAll, isPart: first > 0 || last < end, begin: moments[first], until: moments[last] };
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

// Whether samples stand for what an account's rows did.
function isEstimate(account) {
  return account.parts.some((part) => part.ranges.live[0].length > 0);
}

// By how much figures of a window may be too high and too low. Samples of different parts are independent: distances add
// as squares. Of a row without samples there may be as much as of one.
class Spread {
  constructor(rows) {
    this.below = new Float64Array(rows);
    this.above = new Float64Array(rows);
    this.unseen = new Float64Array(rows);
  }

  add(row, value, low, high) {
    if (low === null) return;
    if (value === 0) {
      this.unseen[row] = Math.max(this.unseen[row], high);
      return;
    }
    this.below[row] += (value - low) ** 2;
    this.above[row] += (high - value) ** 2;
  }

  // Of what this says was added, and the other was taken away.
  without(other) {
    const both = new Spread(this.below.length);
    for (let row = 0; row < this.below.length; row++) {
      both.below[row] = this.below[row] + other.above[row];
      both.above[row] = this.above[row] + other.below[row];
      both.unseen[row] = this.unseen[row];
    }
    return both;
  }

  low(values) {
    return values.map((value, row) => Math.max(0, Math.min(value, Math.floor(value - Math.sqrt(this.below[row])))));
  }

  high(values) {
    return values.map((value, row) => Math.ceil(value + (value === 0 && this.above[row] === 0 ? this.unseen[row] : Math.sqrt(this.above[row]))));
  }
}

// Of bytes and of blocks.
function spreadOf(account, name, first, last) {
  const rows = account.node.length;
  const [bytes, count] = [new Spread(rows), new Spread(rows)];
  for (const part of account.parts.slice(first, last)) {
    const [low, high, countLow, countHigh] = part.ranges[name];
    const [moreBytes, moreBlocks] = part[name];
    for (let at = 0; at < low.length; at++) {
      bytes.add(part.row[at], moreBytes[at] ?? 0, low[at], high[at]);
      count.add(part.row[at], moreBlocks[at] ?? 0, countLow[at], countHigh[at]);
    }
  }
  return { bytes, count };
}

// The ends of intervals, as views have them.
function endsOf({ bytes, count }, spread) {
  return {
    low: spread.bytes.low(bytes),
    high: spread.bytes.high(bytes),
    count_low: spread.count.low(count),
    count_high: spread.count.high(count),
  };
}

// Where what is alive lies: as it was told last.
function aliveOf(account, { bytes, count }, last) {
  const ends = [bytes.slice(), bytes.slice(), count.slice(), count.slice()];
  for (const part of account.parts.slice(0, last)) {
    const columns = part.ranges.live;
    for (let at = 0; at < columns[0].length; at++) {
      const row = part.row[at];
      const exact = [bytes[row], bytes[row], count[row], count[row]];
      columns.forEach((column, end) => (ends[end][row] = column[at] ?? exact[end]));
    }
  }
  const [low, high, count_low, count_high] = ends;
  return { low, high, count_low, count_high };
}

const EXACT = { low: [], high: [], count_low: [], count_high: [] };

// An account as it was in a window. Figures are exact, or the estimates of the parts with their ranges.
function partOf(account, { first, last, isAll }) {
  const sampled = isEstimate(account);
  const alive = changesOf(account, "live", 0, last);
  const live = { key: "live", name: "live at its end", note: "", ...alive, ...(sampled ? aliveOf(account, alive, last) : EXACT) };
  const more = onlyMore(account, first, last);
  const spread = (name) => spreadOf(account, name, first, last);
  const gained = { key: "gained", name: "more than at its beginning", ...more, ...(sampled ? endsOf(more, gainedSpread(spread)) : EXACT) };
  const done = [["allocated", "allocated in it"], ["freed", "freed again in it"], ["temporary", "temporary in it"]];
  // Which samples were temporary is not kept by time.
  const kept = sampled ? done.slice(0, 2) : done;
  const others = kept.map(([key, name]) => {
    const note = account.views.find((view) => view.key === key)?.note ?? "";
    const figures = changesOf(account, key, first, last);
    return { key, name, note, ...figures, ...(sampled ? endsOf(figures, spread(key)) : EXACT) };
  });
  const isSomething = (view) => view.bytes.some((value) => value > 0) || view.count.some((value) => value > 0);
  // Which blocks were allocated in a part is known of the one that the page is of.
  const whole = isAll ? account.views.filter((view) => view.key === "kept") : [];
  const views = [live, ...[...whole, gained, ...others].filter(isSomething)];
  // Ages are those at the report's moment.
  return { ...account, views, oldest: [], isPart: true };
}

// What was both allocated and freed in the window counts twice here, and not at all in what is gained: it is no less
// certain than this.
function gainedSpread(spread) {
  const [allocated, freed] = [spread("allocated"), spread("freed")];
  return { bytes: allocated.bytes.without(freed.bytes), count: allocated.count.without(freed.count) };
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
