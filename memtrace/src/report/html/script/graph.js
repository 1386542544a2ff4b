// The graph: callers above what they called, as wide as what they hold.

// Narrower boxes are not drawn one by one, pixels.
const LEAST_WIDTH = 0.7;

class Graph {
  // `zoom` and `describe` are called with a node. `Brush` is a painter's class.
  constructor(report, { zoom, describe, Brush = Painter }) {
    this.report = report;
    this.onZoom = zoom;
    this.describe = describe;
    this.canvas = byId("canvas");
    this.scroll = byId("scroll");
    this.painter = new Brush(this.canvas, report);
    this.selected = ROOT;
    this.listen();
  }

  listen() {
    this.scroll.addEventListener("scroll", () => this.later());
    addEventListener("resize", () => this.later());
    addEventListener("beforeprint", () => this.draw(true));
    addEventListener("afterprint", () => this.draw());
    this.canvas.addEventListener("mousemove", (event) => this.point(event));
    this.canvas.addEventListener("mouseleave", () => this.point(null));
    this.canvas.addEventListener("click", (event) => {
      const node = this.at(event);
      if (node < 0) return;
      this.select(node);
      this.onZoom(node);
    });
  }

  show(tree, zoom, match) {
    if (this.tree !== tree) this.depths = new Map();
    if (this.tree !== tree || this.zoom !== zoom) {
      this.scroll.scrollTop = 0;
      this.select(zoom);
    }
    Object.assign(this, { tree, zoom, match });
    this.draw();
  }

  later() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.draw();
    });
  }

  // Rows that are needed below a node, as far as its boxes can be seen.
  rows(node, width) {
    const known = this.depths.get(node);
    if (known?.width === width) return known.rows;
    const least = (LEAST_WIDTH / width) * this.tree.values[node];
    let deepest = this.tree.depth[node];
    const left = [node];
    while (left.length) {
      const at = left.pop();
      deepest = Math.max(deepest, this.tree.depth[at]);
      for (const child of this.tree.children(at)) {
        deepest = Math.max(deepest, this.tree.depth[child]);
        if (this.tree.values[child] < least) break;
        left.push(child);
      }
    }
    const rows = deepest - this.tree.depth[node] + 1;
    this.depths.set(node, { width, rows });
    return rows;
  }

  // On paper there is no scrolling, and no dark.
  draw(isPrinted = false) {
    const width = this.scroll.clientWidth;
    if (!this.tree || !width) return;
    const whole = this.rows(this.zoom, width) * ROW;
    byId("height").style.height = `${whole}px`;
    const most = Math.max(ROW * 8, Math.floor(innerHeight * 0.68));
    const height = isPrinted ? whole : Math.min(whole, most);
    this.top = isPrinted ? 0 : this.scroll.scrollTop;
    this.height = height;
    this.boxes = [];
    this.painter.begin(width, height, !isPrinted && isDark());
    this.branch(this.zoom, 0, width);
    const box = this.boxes.find((it) => it.node === this.selected);
    if (box && document.activeElement === this.canvas) this.painter.frame(box.x, box.y, box.width);
  }

  // A loop and no recursion: stacks may be deep.
  branch(root, x, width) {
    const { tree } = this;
    const scale = width / (tree.values[root] || 1);
    const left = [[root, x]];
    while (left.length) {
      const [node, at] = left.pop();
      const y = (tree.depth[node] - tree.depth[root]) * ROW - this.top;
      // Nothing below it is seen either.
      if (y >= this.height) continue;
      if (y > -ROW) this.box(node, at, y, tree.values[node] * scale);
      let child = at;
      const children = tree.children(node);
      // The largest come first: those after the first narrow one are narrow, too.
      const narrow = children.findIndex((next) => tree.values[next] * scale < LEAST_WIDTH);
      const wide = narrow < 0 ? children : children.slice(0, narrow);
      for (const next of wide) {
        left.push([next, child]);
        child += tree.values[next] * scale;
      }
      if (narrow >= 0) this.others(children.slice(narrow), child, y + ROW, scale);
    }
  }

  // One box for all that are too narrow, so that they do not look like what their caller holds itself.
  others(nodes, x, y, scale) {
    const sum = nodes.reduce((all, node) => all + this.tree.values[node], 0);
    const { palette } = this.painter;
    const isMatch = nodes.some((node) => this.match?.isMatch[node]);
    const color = isMatch ? palette.match : palette.quiet;
    this.painter.box(x, y, sum * scale, `${formatCount(nodes.length)} more`, color, this.match && !isMatch);
  }

  box(node, x, y, width) {
    const isMatch = this.match?.isMatch[node];
    const color = isMatch ? this.painter.palette.match : this.painter.colorOf(this.tree, node);
    this.painter.box(x, y, width, this.tree.name(node), color, this.match && !isMatch);
    this.boxes.push({ node, x, y, width });
  }

  at(event) {
    const edge = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - edge.left, event.clientY - edge.top];
    const isIn = (box) => x >= box.x && x < box.x + box.width && y >= box.y && y < box.y + ROW;
    return this.boxes?.find(isIn)?.node ?? -1;
  }

  point(event) {
    const tooltip = byId("tooltip");
    const node = event ? this.at(event) : -1;
    tooltip.hidden = node < 0;
    if (node < 0) return;
    tooltip.textContent = this.describe(node);
    const { offsetWidth, offsetHeight } = tooltip;
    const x = Math.min(event.clientX + 14, innerWidth - offsetWidth - 8);
    const below = event.clientY + 18;
    const y = below + offsetHeight > innerHeight ? event.clientY - offsetHeight - 12 : below;
    tooltip.style.left = `${Math.max(4, x)}px`;
    tooltip.style.top = `${Math.max(4, y)}px`;
  }

  select(node) {
    this.selected = node;
  }

  // Selects a neighbour. Gives whether the key means something here.
  move(key) {
    const { tree, selected } = this;
    const parent = selected === this.zoom ? selected : tree.parent[selected];
    const siblings = selected === this.zoom ? [selected] : tree.children(parent);
    const at = siblings.indexOf(selected);
    const to = {
      ArrowDown: tree.children(selected)[0],
      ArrowUp: parent,
      ArrowLeft: siblings[at - 1],
      ArrowRight: siblings[at + 1],
    };
    if (!(key in to)) return false;
    this.select(to[key] ?? selected);
    const y = (tree.depth[this.selected] - tree.depth[this.zoom]) * ROW;
    if (y < this.scroll.scrollTop) this.scroll.scrollTop = y;
    const bottom = this.scroll.scrollTop + this.scroll.clientHeight;
    if (y + ROW > bottom) this.scroll.scrollTop += y + ROW - bottom;
    this.draw();
    return true;
  }
}
