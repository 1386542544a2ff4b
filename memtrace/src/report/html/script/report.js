// The report: what the file's data means.

const INLINED = 1;
const INTERNAL = 2;
const NO_FRAME = 4;
const IMPORT = 8;

class Report {
  constructor(data) {
    Object.assign(this, data);
    this.parent = Int32Array.from(data.nodes.parent);
    this.nodeFrame = Int32Array.from(data.nodes.frame);
    this.functionOf = Int32Array.from(data.frames.function);
    this.flags = Uint8Array.from(data.frames.flags);
    this.hasImports = this.flags.some((flags) => flags & IMPORT);
    this.moments = momentsOf(data);
  }

  text(number) {
    return number < 0 ? "" : this.strings[number];
  }

  account(key) {
    return this.accounts.find((it) => it.key === key) ?? this.accounts[0];
  }

  // The one that is wished for, or else the one that the report was made for.
  view(account, key) {
    const found = (wanted) => account.views.find((it) => it.key === wanted);
    return found(key) ?? found(this.first_view) ?? account.views[0];
  }

  processName(number) {
    const { comm, pid } = this.processes[number];
    return `${comm} (${pid})`;
  }

  name(frame) {
    return this.text(this.functions.name[this.functionOf[frame]]);
  }

  fullName(frame) {
    const of = this.functionOf[frame];
    return this.text(this.functions.full[of]) || this.text(this.functions.name[of]);
  }

  module(frame) {
    return this.text(this.functions.module[this.functionOf[frame]]);
  }

  // Source file and line, if known.
  source(frame) {
    const file = this.text(this.frames.file[frame]);
    const line = this.frames.line[frame];
    return file && line ? `${file}:${line}` : file;
  }

  isShown(frame, hidden) {
    return !(this.flags[frame] & hidden);
  }

  // A node's frames from the innermost outwards, without hidden ones; if there are no others, all.
  framesOf(node, hidden) {
    const frames = [];
    for (let at = node; at >= 0; at = this.parent[at]) {
      if (this.isShown(this.nodeFrame[at], hidden)) frames.push(this.nodeFrame[at]);
    }
    return frames.length || !hidden ? frames : this.framesOf(node, 0);
  }
}

// Flags of frames that are left out.
function hiddenFlags({ internals, imports }) {
  return (internals ? 0 : INTERNAL) | (imports ? IMPORT : 0);
}
