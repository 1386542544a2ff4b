// Searching: which frames match, and how much they hold.

// For each frame whether its function, module or source contains the words, whatever their case.
function matchingFrames(report, words) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return null;
  const contains = report.strings.map((text) => text.toLowerCase().includes(wanted));
  const has = (number) => number >= 0 && contains[number];
  const { name, full, module } = report.functions;
  const functions = name.map((it, at) => has(it) || has(full[at]) || has(module[at]));
  return Uint8Array.from(report.functionOf, (of, frame) => functions[of] || has(report.frames.file[frame]));
}

// For each node of a tree whether it matches, and the sum of what is in or below such nodes: each byte once.
function matchTree(tree, frames) {
  const isMatch = new Uint8Array(tree.count);
  const isBelow = new Uint8Array(tree.count);
  let sum = 0;
  for (let node = 1; node < tree.count; node++) {
    const frame = tree.frame[node];
    isMatch[node] = frame >= 0 ? frames[frame] : 0;
    const above = isBelow[tree.parent[node]];
    isBelow[node] = above | isMatch[node];
    if (isMatch[node] && !above) sum += tree.values[node];
  }
  return { isMatch, sum };
}

// For each node whether it or one of its callers matches, of those that are shown.
function matchNodes(report, match, hidden) {
  const found = new Uint8Array(report.parent.length);
  for (let node = 0; node < found.length; node++) {
    const frame = report.nodeFrame[node];
    const own = report.isShown(frame, hidden) ? match[frame] : 0;
    found[node] = own | (report.parent[node] < 0 ? 0 : found[report.parent[node]]);
  }
  return found;
}
