// Numbers as people read them; the same rules as admin_ui/words.py.

export const UNKNOWN = "-";

export function duration(ms) {
  if (ms === null || ms === undefined) return UNKNOWN;
  if (ms < 0) return "-" + duration(-ms);
  if (ms < 999.5) return `${ms.toFixed(0)} ms`;
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${seconds.toFixed(0)} s`;
  const minutes = seconds / 60;
  if (minutes < 99.5) return `${minutes.toFixed(0)} m`;
  const hours = minutes / 60;
  return hours < 47.5 ? `${hours.toFixed(0)} h` : `${(hours / 24).toFixed(0)} d`;
}

export function skew(ms) {
  if (ms === null || ms === undefined) return UNKNOWN;
  if (Math.abs(ms) < 0.5) return "0 ms";
  return (ms > 0 ? "+" : "") + duration(ms);
}

function scaled(number, step, units, gap) {
  let index = 0;
  while (number >= step && index < units.length - 1) {
    number /= step;
    index += 1;
  }
  const digits = index === 0 || number >= 99.95 ? number.toFixed(0) : number.toFixed(1);
  return digits + gap + units[index];
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return UNKNOWN;
  return scaled(bytes, 1024, ["B", "KB", "MB", "GB", "TB", "PB"], " ");
}

export function count(number) {
  if (number === null || number === undefined) return UNKNOWN;
  if (number < 10000) return Math.round(number).toLocaleString("en-US");
  return scaled(number, 1000, ["", " k", " M", " G", " T"], "");
}

// One sign for each grade, so that no state is told by colour alone.
export const ICONS = {
  ok: "✓", // check mark
  warn: "◷", // clock face
  critical: "‼", // two exclamation marks
  busy: "⟳", // circling arrow
  down: "✕", // cross
  stale: "?",
  never: "○", // empty circle
  ghost: "!",
};

// A long name keeps its beginning and its end, where names of nodes differ.
export function shortened(name, lengthMax) {
  if (name.length <= lengthMax) return name;
  const kept = lengthMax - 1;
  const head = Math.ceil(kept / 2);
  return name.slice(0, head) + "…" + name.slice(name.length - (kept - head));
}
