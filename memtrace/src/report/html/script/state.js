// What is shown, kept in the address so that it can be passed on.

const DEFAULTS = {
  tab: "graph",
  account: "",
  view: "",
  by: "bytes",
  process: -1,
  thread: -1,
  from: 0,
  to: 0,
  inverted: false,
  internals: false,
  imports: false,
  lines: false,
  search: "",
  zoom: 0,
  rows: "stacks",
  sort: "",
  ascending: false,
  page: 0,
  theme: "",
};

// Changes that make other parts of the state mean something else.
const RESETS = {
  thread: ["process", "account"],
  zoom: ["account", "view", "by", "process", "thread", "from", "to", "inverted", "internals", "imports", "lines"],
  page: [
    "account", "view", "by", "process", "thread", "from", "to", "internals", "imports", "lines", "search", "rows", "sort",
    "ascending",
  ],
  sort: ["rows"],
};

class State {
  constructor(onChange) {
    this.onChange = onChange;
    this.values = State.read(location.hash);
    this.written = location.hash;
    addEventListener("hashchange", () => {
      if (location.hash === this.written) return;
      this.written = location.hash;
      const before = this.values;
      this.values = State.read(location.hash);
      this.onChange(before);
    });
  }

  // Total: what is not understood is left at its default.
  static read(hash) {
    const values = { ...DEFAULTS };
    for (const [name, text] of new URLSearchParams(hash.slice(1))) {
      if (!Object.hasOwn(DEFAULTS, name)) continue;
      const kind = typeof DEFAULTS[name];
      if (kind === "boolean") values[name] = text === "1";
      else if (kind === "string") values[name] = text;
      else if (/^\d{1,9}$/.test(text)) values[name] = Number(text);
    }
    return values;
  }

  static write(values) {
    const words = new URLSearchParams();
    for (const [name, value] of Object.entries(values)) {
      if (value !== DEFAULTS[name]) words.set(name, value === true ? "1" : value === false ? "0" : value);
    }
    return `#${words}`;
  }

  // `keep` leaves the present state to the browser's way back.
  set(changes, keep = false) {
    const before = this.values;
    const values = { ...before, ...changes };
    for (const [name, causes] of Object.entries(RESETS)) {
      const isReset = causes.some((cause) => values[cause] !== before[cause]);
      if (isReset && !Object.hasOwn(changes, name)) values[name] = DEFAULTS[name];
    }
    const hash = State.write(values);
    if (hash === State.write(before)) return;
    this.values = values;
    // Not history.replaceState: browsers refuse it on file:// in part.
    if (keep) location.hash = hash;
    else location.replace(hash);
    this.written = location.hash;
    this.onChange(before);
  }
}
