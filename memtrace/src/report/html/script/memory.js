// The picture of memory over time, and the window in it.

const SERIES = [["resident", "resident set"], ["heap", "live heap"], ["mapped", "mapped"]];
const PLOT = { height: 120, left: 4, top: 16, bottom: 16 };

function draw(tag, attributes, ...inside) {
  const element = document.createElementNS(byId("plot").namespaceURI, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...inside);
  return element;
}

function formatMoment(seconds) {
  return seconds < 60 ? `${seconds.toFixed(seconds < 10 ? 2 : 1)} s` : formatAge(seconds);
}

// Points at which a figure of one process is known: [time, bytes].
function pointsOf({ memory }, name) {
  const points = memory.time.map((time, at) => [time, memory[name][at] ?? null]);
  return points.filter(([, bytes]) => bytes !== null);
}

// … of all together: the last that is known of each at the moments of any. One that has ended has nothing.
function sumOf(all) {
  const times = [...new Set(all.flatMap((points) => points.map(([time]) => time)))].sort((a, b) => a - b);
  const places = all.map(() => 0);
  return times.map((time) => {
    let sum = 0;
    all.forEach((points, number) => {
      while (places[number] < points.length && points[places[number]][0] <= time) places[number] += 1;
      const has = places[number] > 0 && time <= points[points.length - 1][0];
      if (has) sum += points[places[number] - 1][1];
    });
    return [time, sum];
  });
}

class MemoryGraph {
  // `choose` is called with a window, by numbers of moments.
  constructor(report, choose) {
    Object.assign(this, { report, choose, plot: byId("plot"), figure: byId("memory") });
    const names = SERIES.filter(([name]) => report.processes.some((process) => process.memory[name].some((it) => it !== null)));
    this.names = names;
    this.hasTime = names.length > 0 && report.moments.length > 2;
    for (const id of ["from", "to"]) byId(id).max = String(report.moments.length - 1);
    this.listen();
  }

  listen() {
    const { plot } = this;
    plot.addEventListener("pointerdown", (event) => {
      plot.setPointerCapture(event.pointerId);
      this.drag = this.time(event);
      this.dragTo = this.drag;
    });
    plot.addEventListener("pointermove", (event) => this.move(this.time(event)));
    plot.addEventListener("pointerleave", () => this.legend(this.shown.window.until));
    plot.addEventListener("pointerup", (event) => this.drop(this.time(event)));
    plot.addEventListener("pointercancel", () => this.stop());
    plot.addEventListener("dblclick", () => this.choose(0, 0));
    byId("whole").addEventListener("click", () => this.choose(0, 0));
    const typed = () => this.set(Number(byId("from").value), Number(byId("to").value));
    for (const id of ["from", "to"]) byId(id).addEventListener("input", typed);
    addEventListener("resize", () => this.shown && this.render());
  }

  // The end is 0 where it is the last moment, as in an address that says nothing.
  set(from, to) {
    const end = this.report.moments.length - 1;
    const { begin } = this.report;
    const first = Math.max(begin, Math.min(from, end - 1));
    const last = Math.min(Math.max(to, first + 1), end);
    this.choose(first === begin ? 0 : first, last === end ? 0 : last);
  }

  move(time) {
    if (this.drag === undefined) return this.legend(time);
    this.dragTo = time;
    this.render();
  }

  drop(time) {
    const begin = this.drag;
    this.stop();
    if (begin === undefined) return;
    const { width } = this.plot.getBoundingClientRect();
    const [from, to] = [Math.min(begin, time), Math.max(begin, time)];
    // A click is no window.
    if (((to - from) / (this.axis[1] - this.axis[0])) * width < 4) return this.render();
    const near = (wanted) => this.nearest(wanted);
    this.set(near(from), Math.max(near(to), near(from) + 1));
  }

  stop() {
    this.drag = undefined;
  }

  nearest(time) {
    const { moments } = this.report;
    const after = moments.findIndex((moment) => moment >= time);
    if (after <= 0) return after < 0 ? moments.length - 1 : 0;
    return moments[after] - time < time - moments[after - 1] ? after : after - 1;
  }

  // `isWanted`: the panel at hand is of stacks.
  show(shown, isWanted) {
    this.shown = shown;
    this.figure.hidden = !isWanted || !this.hasTime;
    if (!this.figure.hidden) this.render();
  }

  render() {
    const { window, process } = this.shown;
    const chosen = process < 0 ? this.report.processes : [this.report.processes[process]];
    this.lines = this.names.map(([name, title]) => {
      const all = chosen.map((it) => pointsOf(it, name)).filter((points) => points.length);
      const isEstimate = name === "heap" && chosen.some((it) => it.memory.is_estimate);
      return { name, title: isEstimate ? `${title}, estimated` : title, points: all.length === 1 ? all[0] : sumOf(all) };
    });
    const keepsParts = this.report.timeline.ends.length > 0;
    // Where figures of a part are not known the window is a closer look at this picture, and no more.
    this.axis = window.isPart && !keepsParts ? [window.begin, window.until] : [0, this.report.timeline.watched];
    this.paint(keepsParts);
    this.legend(window.until);
    byId("from").value = String(window.first);
    byId("to").value = String(window.last);
    byId("from").setAttribute("aria-valuetext", formatMoment(window.begin));
    byId("to").setAttribute("aria-valuetext", formatMoment(window.until));
    byId("whole").disabled = window.isAll;
    byId("window").textContent = this.words(window, keepsParts);
  }

  words({ isPart, begin, until }, keepsParts) {
    const { missing } = this.report.timeline;
    if (!isPart) {
      return keepsParts ? "Drag for a window of time: graph and table then show what happened in it." : "";
    }
    const what = `${formatMoment(begin)} to ${formatMoment(until)} after tracing began`;
    if (!keepsParts) return `${what}: only this picture. Figures are of the whole run, as those of parts are not known: ${missing}.`;
    const isHeap = this.shown.account?.isPart;
    return isHeap ? `${what}: graph and table are of this window.` : `${what}. This account is of the whole run: only the heap's stacks are kept by time.`;
  }

  x(time) {
    const [begin, end] = this.axis;
    return PLOT.left + ((time - begin) / (end - begin || 1)) * (this.width - 2 * PLOT.left);
  }

  time(event) {
    const [begin, end] = this.axis;
    const edge = this.plot.getBoundingClientRect();
    const share = (event.clientX - edge.left - PLOT.left) / (this.width - 2 * PLOT.left);
    return begin + Math.min(Math.max(share, 0), 1) * (end - begin);
  }

  paint(keepsParts) {
    const { window } = this.shown;
    this.width = this.plot.clientWidth || 600;
    // On paper it is as wide as the paper, whatever the window was.
    this.plot.setAttribute("viewBox", `0 0 ${this.width} ${PLOT.height}`);
    this.plot.setAttribute("preserveAspectRatio", "none");
    const most = Math.max(1, ...this.lines.flatMap(({ points }) => this.visible(points).map(([, bytes]) => bytes)));
    const floor = PLOT.height - PLOT.bottom;
    const y = (bytes) => floor - (bytes / most) * (floor - PLOT.top);
    const parts = [
      draw("text", { x: PLOT.left, y: PLOT.top - 5 }, formatBytes(most)),
      draw("line", { class: "grid", x1: 0, x2: this.width, y1: y(most), y2: y(most) }),
      draw("line", { class: "grid", x1: 0, x2: this.width, y1: floor, y2: floor }),
      draw("text", { x: PLOT.left, y: PLOT.height - 4 }, formatMoment(this.axis[0])),
      draw("text", { x: this.width - PLOT.left, y: PLOT.height - 4, "text-anchor": "end" }, formatMoment(this.axis[1])),
    ];
    for (const { name, points } of this.lines) {
      const line = points.map(([time, bytes]) => `${this.x(time).toFixed(1)},${y(bytes).toFixed(1)}`).join(" ");
      parts.push(draw("polyline", { class: `line ${name}`, points: line }));
    }
    for (const { time, kind, name } of this.report.timeline.ticks) {
      const at = this.x(time);
      parts.push(draw("line", { class: `tick ${kind}`, x1: at, x2: at, y1: PLOT.top, y2: floor }, draw("title", {}, `${kind} ${name}, ${formatMoment(time)}`)));
    }
    const veil = (from, to) => draw("rect", { class: "veil", x: from, width: Math.max(to - from, 0), y: PLOT.top, height: floor - PLOT.top });
    if (window.isPart && keepsParts) {
      parts.push(veil(0, this.x(window.begin)), veil(this.x(window.until), this.width));
    }
    if (this.drag !== undefined) {
      const [from, to] = [this.drag, this.dragTo].map((time) => this.x(time)).sort((a, b) => a - b);
      parts.push(draw("rect", { class: "drag", x: from, width: to - from, y: 0, height: floor }));
    }
    this.plot.replaceChildren(...parts);
  }

  visible(points) {
    const [begin, end] = this.axis;
    const inside = points.filter(([time]) => time >= begin && time <= end);
    return inside.length ? inside : points;
  }

  // What was known last at a time.
  legend(time) {
    const words = this.lines.map(({ name, title, points }) => {
      const known = points.filter(([at]) => at <= time + 1e-9).pop();
      const value = known ? formatBytes(known[1]) : "–";
      return make("span", { class: `key ${name}` }, `${title} ${value}`);
    });
    byId("legend").replaceChildren(make("span", {}, formatMoment(time)), ...words);
  }
}
