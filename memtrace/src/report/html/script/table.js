// A table of any number of rows: sorted by a column, a page at a time.

const PAGE = 50;

class Table {
  // `set` changes the state.
  constructor(table, pages, set) {
    Object.assign(this, { table, pages, set });
  }

  // A column has a key, a title, `value(row)` to sort by, and `cell(row)`: what is shown. It is of numbers unless it
  // `isText`, which opens, or `isWord`; narrow screens have no room for one that `isMinor`. `details(row)` gives
  // more of a row that is opened.
  show(columns, rows, state, details) {
    const column = columns.find((it) => it.key === state.sort) ?? columns[0];
    const sorted = Table.sorted(rows, column, state.ascending);
    const last = Math.max(0, Math.ceil(sorted.length / PAGE) - 1);
    const page = Math.min(state.page, last);
    const shown = sorted.slice(page * PAGE, (page + 1) * PAGE);
    const body = make("tbody", {}, ...shown.map((row) => this.row(columns, row, details)));
    this.table.replaceChildren(this.head(columns, column, state.ascending), body);
    this.turn(page, last);
  }

  static sorted(rows, column, ascending) {
    const sign = ascending ? 1 : -1;
    const order = (a, b) => (a < b ? -sign : a > b ? sign : 0);
    // Values once per row and not once per comparison.
    const pairs = rows.map((row) => [column.value(row), row]);
    return pairs.sort(([a], [b]) => order(a, b)).map(([, row]) => row);
  }

  head(columns, sorted, ascending) {
    const cells = columns.map((column) => {
      const isSorted = column === sorted;
      const arrow = isSorted ? (ascending ? " ▲" : " ▼") : "";
      const sort = () => this.set({ sort: column.key, ascending: isSorted ? !ascending : column.isText === true });
      const order = isSorted ? (ascending ? "ascending" : "descending") : undefined;
      return make(
        "th",
        { scope: "col", class: Table.classes(column), "aria-sort": order },
        button(column.title + arrow, sort),
      );
    });
    return make("thead", {}, make("tr", {}, ...cells));
  }

  static classes(column) {
    const kind = column.isText ? "name" : column.isWord ? "word" : "number";
    return column.isMinor ? `${kind} minor` : kind;
  }

  row(columns, row, details) {
    const cells = columns.map((column) => {
      const cell = make("td", { class: Table.classes(column) });
      const inside = column.cell(row);
      if (column.isText && details) cell.append(this.opener(inside, row, details, cell));
      else cell.append(inside);
      return cell;
    });
    return make("tr", {}, ...cells);
  }

  opener(text, row, details, cell) {
    const open = button(text, () => {
      const isOpen = open.getAttribute("aria-expanded") === "true";
      open.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) cell.lastChild.remove();
      else cell.append(details(row));
    }, { "aria-expanded": "false" });
    return open;
  }

  turn(page, last) {
    const to = (target) => () => this.set({ page: target });
    const back = button("Previous", to(page - 1));
    const on = button("Next", to(page + 1));
    back.disabled = page === 0;
    on.disabled = page === last;
    this.pages.hidden = last === 0;
    this.pages.replaceChildren(back, `page ${formatCount(page + 1)} of ${formatCount(last + 1)}`, on);
  }
}
