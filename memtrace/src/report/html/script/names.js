// What stacks are made of: frames, functions and their names.

const INLINED = 1;
const INTERNAL = 2;
const NO_FRAME = 4;
const IMPORT = 8;

class Names {
  constructor(data) {
    Object.assign(this, data);
    this.parent = Int32Array.from(data.nodes.parent);
    this.nodeFrame = Int32Array.from(data.nodes.frame);
    this.functionOf = Int32Array.from(data.frames.function);
    this.flags = Uint8Array.from(data.frames.flags);
  }

  text(number) {
    return number < 0 ? "" : this.strings[number];
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

// A function with its place, of whose file the name and the folder are enough here.
function frameLabel(report, frame) {
  const source = report.source(frame).split("/").slice(-2).join("/");
  return source ? `${report.name(frame)}  ${source}` : report.name(frame);
}

// A stack's frames from the innermost outwards, in full.
function frameItems(report, frames) {
  return frames.map((frame) => {
    const where = [report.source(frame), report.module(frame)].filter(Boolean).join(" in ");
    const inlined = report.flags[frame] & INLINED ? " (inlined)" : "";
    return make("li", {}, report.fullName(frame), inlined, make("span", { class: "place" }, where && `  ${where}`));
  });
}

// A node's function and where it is: lines of text, of which the second may be empty.
function whereIs(report, tree, node) {
  const frame = tree.frame[node];
  if (frame < 0) return [tree.name(node)];
  const source = tree.isMixed[node] ? "at several lines" : report.source(frame);
  return [report.fullName(frame), [source, report.module(frame)].filter(Boolean).join(" in ")];
}
