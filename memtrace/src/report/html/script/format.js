// Figures as people read them: the same words as in text reports.

const UNITS = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

function formatCount(number) {
  return Math.round(number).toLocaleString("en-US");
}

// Three digits that count, in units of 1,024.
function formatBytes(bytes) {
  if (bytes < 1023.5) return `${formatCount(bytes)} B`;
  let value = bytes / 1024;
  let unit = 0;
  // 999.5 would be written with four digits; the next unit has it as 0.98.
  while (value >= 999.5 && unit + 1 < UNITS.length) {
    value /= 1024;
    unit += 1;
  }
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

function formatExactBytes(bytes) {
  return bytes < 1024 ? formatBytes(bytes) : `${formatBytes(bytes)} (${formatCount(bytes)} B)`;
}

function formatShare(part, whole) {
  if (!(whole > 0)) return "–";
  const percent = (100 * part) / whole;
  if (part > 0 && percent < 0.01) return "< 0.01 %";
  return `${percent.toFixed(percent < 10 ? 2 : 1)} %`;
}

// Seconds as the two largest units.
function formatAge(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const units = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];
  const first = units.findIndex(([, size]) => seconds >= size);
  const [[large, many], [small, few]] = [units[first], units[first + 1]];
  const rest = Math.floor((seconds % many) / few);
  return `${Math.floor(seconds / many)}${large} ${String(rest).padStart(2, "0")}${small}`;
}
