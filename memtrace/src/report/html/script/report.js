// The report: what the file's data means.

class Report extends Names {
  constructor(data) {
    super(data);
    this.hasImports = this.flags.some((flags) => flags & IMPORT);
    this.moments = momentsOf(data);
    this.begin = beginOf(this.moments, data.timeline);
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
}

// Flags of frames that are left out.
function hiddenFlags({ internals, imports }) {
  return (internals ? 0 : INTERNAL) | (imports ? IMPORT : 0);
}
