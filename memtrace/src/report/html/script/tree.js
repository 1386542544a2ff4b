// Sums of stacks in a tree: what functions hold together with what they called or, inverted, what is held
// through the callers of each.

const ROOT = 0;

class Tree {
  constructor(report, size) {
    this.report = report;
    this.count = 0;
    this.room = 0;
    this.grow(Math.max(1024, size));
    this.add(-1, 0, -1, this.slot(-1, 0));
  }

  grow(room) {
    const larger = (Type, old) => {
      const array = new Type(room);
      if (old) array.set(old);
      return array;
    };
    this.parent = larger(Int32Array, this.parent);
    // What is merged: a function or a frame; a process below −1.
    this.key = larger(Int32Array, this.key);
    // One of the merged frames; −1 for the root and processes.
    this.frame = larger(Int32Array, this.frame);
    this.isMixed = larger(Uint8Array, this.isMixed);
    this.depth = larger(Uint16Array, this.depth);
    this.bytes = larger(Float64Array, this.bytes);
    this.blocks = larger(Float64Array, this.blocks);
    this.oldest = larger(Float64Array, this.oldest);
    this.room = room;
    this.rehash();
  }

  // Open addressing: a quarter to a half of the slots is in use.
  rehash() {
    const bits = Math.ceil(Math.log2(this.room)) + 1;
    this.mask = 2 ** bits - 1;
    this.slots = new Int32Array(2 ** bits).fill(-1);
    for (let node = 0; node < this.count; node++) {
      this.slots[this.slot(this.parent[node], this.key[node])] = node;
    }
  }

  // The slot of a node, or the free one where it belongs.
  slot(parent, key) {
    const mixed = Math.imul(Math.imul(parent, 0x9e3779b1) ^ key, 0x85ebca6b);
    let slot = (mixed ^ (mixed >>> 15)) & this.mask;
    for (;;) {
      const node = this.slots[slot];
      if (node < 0 || (this.parent[node] === parent && this.key[node] === key)) return slot;
      slot = (slot + 1) & this.mask;
    }
  }

  // `free` is its slot, which is another one if the tree must grow.
  add(parent, key, frame, free) {
    const isFull = this.count === this.room;
    if (isFull) this.grow(2 * this.room);
    const slot = isFull ? this.slot(parent, key) : free;
    const node = this.count++;
    this.parent[node] = parent;
    this.key[node] = key;
    this.frame[node] = frame;
    this.depth[node] = parent < 0 ? 0 : this.depth[parent] + 1;
    this.oldest[node] = -1;
    this.slots[slot] = node;
    return node;
  }

  child(parent, key, frame) {
    const slot = this.slot(parent, key);
    const node = this.slots[slot];
    if (node < 0) return this.add(parent, key, frame, slot);
    if (this.frame[node] !== frame) this.isMixed[node] = 1;
    return node;
  }

  // Sums of inner nodes. A parent's number is smaller than its children's.
  sum() {
    for (let node = this.count - 1; node > ROOT; node--) {
      const parent = this.parent[node];
      this.bytes[parent] += this.bytes[node];
      this.blocks[parent] += this.blocks[node];
      this.oldest[parent] = Math.max(this.oldest[parent], this.oldest[node]);
    }
  }

  // Each node's children, the largest first; sorted when they are first asked for.
  link(values) {
    this.values = values;
    this.first = new Int32Array(this.count).fill(-1);
    this.next = new Int32Array(this.count).fill(-1);
    for (let node = this.count - 1; node > ROOT; node--) {
      const parent = this.parent[node];
      this.next[node] = this.first[parent];
      this.first[parent] = node;
    }
    this.sorted = new Map();
  }

  children(node) {
    let found = this.sorted.get(node);
    if (!found) {
      found = [];
      for (let at = this.first[node]; at >= 0; at = this.next[at]) {
        if (this.values[at] > 0) found.push(at);
      }
      found.sort((a, b) => this.values[b] - this.values[a] || a - b);
      this.sorted.set(node, found);
    }
    return found;
  }

  // The node and those around it, from the root on.
  path(node) {
    const path = [];
    for (let at = node; at >= 0; at = this.parent[at]) path.unshift(at);
    return path;
  }

  name(node) {
    if (this.key[node] < -1) return this.report.processName(-2 - this.key[node]);
    return node === ROOT ? "all" : this.report.name(this.frame[node]);
  }
}

// The rows of an account that are of the chosen process and thread.
function rowsOf(account, { process, thread }) {
  const rows = [];
  for (let row = 0; row < account.node.length; row++) {
    const isOf = process < 0 || account.process[row] === process;
    if (isOf && (thread < 0 || account.thread[row] === thread)) rows.push(row);
  }
  return rows;
}

// As many nodes as stacks that share nothing would have: growing a large tree costs more than the room. Bounded, as
// they do share, and as a tree can grow.
function mostNodes(report, account, rows) {
  const depth = new Uint32Array(report.parent.length);
  for (let node = 0; node < depth.length; node++) {
    depth[node] = report.parent[node] < 0 ? 1 : depth[report.parent[node]] + 1;
  }
  const sum = rows.reduce((all, row) => all + depth[account.node[row]], 1);
  return Math.min(sum, 2 ** 22);
}

function buildTree(report, account, view, { by, process, thread, inverted, hidden, lines }) {
  const rows = rowsOf(account, { process, thread });
  const tree = new Tree(report, inverted ? mostNodes(report, account, rows) : report.parent.length);
  const hasProcesses = process < 0 && !inverted && report.processes.length > 1;
  // Where the nodes of the process at hand have gone; stacks of a process follow each other.
  const known = new Int32Array(report.parent.length).fill(-1);
  const placed = [];
  let current = -1;
  const step = (at, frame) => tree.child(at, lines ? frame : report.functionOf[frame], frame);

  const forwards = (node, top) => {
    const path = [];
    let at = node;
    while (at >= 0 && known[at] < 0) {
      path.push(at);
      at = report.parent[at];
    }
    let place = at < 0 ? top : known[at];
    for (let index = path.length - 1; index >= 0; index--) {
      const frame = report.nodeFrame[path[index]];
      if (report.isShown(frame, hidden)) place = step(place, frame);
      known[path[index]] = place;
      placed.push(path[index]);
    }
    return place;
  };
  const backwards = (node) => {
    let place = ROOT;
    for (let at = node; at >= 0; at = report.parent[at]) {
      const frame = report.nodeFrame[at];
      if (report.isShown(frame, hidden)) place = step(place, frame);
    }
    return place;
  };

  for (const row of rows) {
    const bytes = view.bytes[row];
    const blocks = view.count[row] ?? 0;
    if (!(by === "blocks" ? blocks : bytes)) continue;
    const owner = account.process[row];
    if (hasProcesses && owner !== current) {
      current = owner;
      for (const node of placed) known[node] = -1;
      placed.length = 0;
    }
    const top = hasProcesses ? tree.child(ROOT, -2 - owner, -1) : ROOT;
    const place = inverted ? backwards(account.node[row]) : forwards(account.node[row], top);
    tree.bytes[place] += bytes;
    tree.blocks[place] += blocks;
    tree.oldest[place] = Math.max(tree.oldest[place], account.oldest[row] ?? -1);
  }
  tree.sum();
  tree.link(by === "blocks" ? tree.blocks : tree.bytes);
  return tree;
}
