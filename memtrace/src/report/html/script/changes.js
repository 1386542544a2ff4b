// Differences: what the file's data means, their tree, and its colours.

class Differences extends Names {
  processName(number) {
    return this.processes[number];
  }

  // What is known of a row, of `bytes` or `blocks`. Sides that are not known are null; of others there may be more than is
  // listed.
  figures(by, row) {
    const it = this[by];
    const [before, after] = [it.before[row], it.after[row]];
    const isPart = this.is_part.map((side) => side[row]);
    const [isAllBefore, isAllAfter] = [before !== null && !isPart[0], after !== null && !isPart[1]];
    const isKnown = isAllBefore && isAllAfter;
    return {
      before,
      after,
      isAllBefore,
      isAllAfter,
      isKnown,
      change: (after ?? 0) - (before ?? 0),
      low: it.low[row],
      high: it.high[row],
      isEstimate: it.is_estimate[row],
      isTold: it.told_from_zero[row],
    };
  }

  // The rows of the chosen process that went the chosen way.
  rowsOf({ by, process, view }) {
    const rows = [];
    for (let row = 0; row < this.node.length; row++) {
      if (process >= 0 && this.process[row] !== process) continue;
      const { change } = this.figures(by, row);
      if (view === "grew" ? change > 0 : view === "shrank" ? change < 0 : true) rows.push(row);
    }
    return rows;
  }
}

// The tree of some rows. Each stack is as wide as the larger of before and after, so that what is gone is seen, too; a
// side that is not known counts as nothing.
function buildChanges(report, rows, { by, process, inverted, lines }) {
  const tree = new Tree(report, report.parent.length);
  const hasProcesses = process < 0 && !inverted && report.processes.length > 1;
  const places = rows.map((row) => {
    const owner = report.process[row];
    let at = hasProcesses && owner >= 0 ? tree.child(ROOT, -2 - owner, -1) : ROOT;
    const frames = report.framesOf(report.node[row], 0);
    for (const frame of inverted ? frames : frames.reverse()) {
      at = tree.child(at, lines ? frame : report.functionOf[frame], frame);
    }
    return at;
  });
  tree.before = new Float64Array(tree.count);
  tree.after = new Float64Array(tree.count);
  rows.forEach((row, index) => {
    const { before, after } = report.figures(by, row);
    tree.before[places[index]] += before ?? 0;
    tree.after[places[index]] += after ?? 0;
    tree.bytes[places[index]] += Math.max(before ?? 0, after ?? 0);
  });
  tree.largest = 0;
  for (let node = tree.count - 1; node > ROOT; node--) {
    const parent = tree.parent[node];
    tree.before[parent] += tree.before[node];
    tree.after[parent] += tree.after[node];
    tree.largest = Math.max(tree.largest, Math.abs(tree.after[node] - tree.before[node]));
  }
  tree.sum();
  tree.link(tree.bytes);
  return tree;
}

// Red grew, blue shrank, the stronger the more of the largest change it is. Contrast of text is as in `palette`.
class ChangePainter extends Painter {
  colorOf(tree, node) {
    const change = tree.after[node] - tree.before[node];
    if (!change || !tree.largest) return this.palette.quiet;
    const share = Math.min(Math.abs(change) / tree.largest, 1);
    const hue = change > 0 ? 5 : 220;
    const [chroma, light] = this.dark ? [25 + 40 * share, 24 + 14 * share] : [85, 92 - 26 * share];
    return `hsl(${hue} ${chroma}% ${light}%)`;
  }
}

function signed(value, format) {
  return `${value < 0 ? "-" : "+"}${format(Math.abs(value))}`;
}

// By how much a row changed, with where an estimate lies and whether it tells anything.
function changeText(figures, format) {
  const { before, after, isAllBefore, isAllAfter, isKnown, change, low, high, isEstimate, isTold } = figures;
  if (!isAllBefore && !isAllAfter) {
    return before === null || after === null ? "not known" : `${signed(change, format)} of what is listed`;
  }
  if (!isKnown) return `${isAllAfter ? "at most" : "at least"} ${signed(change, format)}`;
  let text = signed(change, format);
  if (low !== null) text += ` (95 %: ${signed(low, format)} to ${signed(high, format)})`;
  else if (isEstimate) text += " (an estimate without interval)";
  return isEstimate && !isTold ? `${text}: not told from 0` : text;
}

// What a side has of a row; `isAll`: there is no more than it lists.
function sideText(value, isAll, format) {
  if (value === null) return "not listed";
  return isAll ? format(value) : `at least ${format(value)}`;
}
