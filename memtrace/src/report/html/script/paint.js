// Colours and shapes of the graph.

const ROW = 20;
const FONT = "12px ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace";

function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// What the graph is painted with. Contrast of text is at least 4.5 : 1 (WCAG 2.2, 1.4.3).
function palette(dark) {
  return dark
    ? { paper: "#16181d", ink: "#f2f3f5", quiet: "#33373f", match: "#b3307f", dim: 0.5, light: 30, chroma: 42 }
    : { paper: "#ffffff", ink: "#15171b", quiet: "#dfe2e7", match: "#f7a8d8", dim: 0.35, light: 79, chroma: 68 };
}

// FNV-1a: the same name has the same colour in every report.
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash >>> 0;
}

class Painter {
  constructor(canvas, report) {
    this.canvas = canvas;
    this.report = report;
    this.colors = new Map();
  }

  // As large as what is seen of it, in the screen's own pixels.
  begin(width, height, dark) {
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    this.context = this.canvas.getContext("2d", { alpha: false });
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (this.dark !== dark) this.colors.clear();
    this.dark = dark;
    this.palette = palette(dark);
    this.context.fillStyle = this.palette.paper;
    this.context.fillRect(0, 0, width, height);
    this.context.font = FONT;
    this.context.textBaseline = "middle";
    // One width serves for all: the font has characters of one width.
    this.letter = this.context.measureText("0").width;
  }

  // Of a node of a tree.
  colorOf(tree, node) {
    return this.color(tree.frame[node]);
  }

  // A module's hue, in shades by which its functions differ.
  color(frame) {
    if (frame < 0 || this.report.flags[frame] & (INTERNAL | NO_FRAME)) return this.palette.quiet;
    const of = this.report.functionOf[frame];
    let color = this.colors.get(of);
    if (!color) {
      const { chroma, light } = this.palette;
      const shade = hashOf(this.report.name(frame)) % 5;
      color = `hsl(${hashOf(this.report.module(frame)) % 360} ${chroma}% ${light + 2 * shade - 4}%)`;
      this.colors.set(of, color);
    }
    return color;
  }

  box(x, y, width, text, color, isDim) {
    const { context } = this;
    context.globalAlpha = isDim ? this.palette.dim : 1;
    context.fillStyle = color;
    // A gap to the next one, where there is room for it.
    context.fillRect(x, y, width < 4 ? width : width - 1, ROW - 1);
    context.globalAlpha = isDim ? 0.6 : 1;
    const letters = Math.floor((width - 8) / this.letter);
    if (letters >= 3) {
      context.fillStyle = this.palette.ink;
      context.fillText(text.length > letters ? `${text.slice(0, letters - 1)}…` : text, x + 4, y + ROW / 2);
    }
    context.globalAlpha = 1;
  }

  frame(x, y, width) {
    this.context.strokeStyle = this.palette.ink;
    this.context.lineWidth = 2;
    this.context.strokeRect(x + 1, y + 1, Math.max(width - 3, 1), ROW - 3);
  }
}
