// The row of totals, each with a line of its last two minutes, kept by this page alone.

import { element, keepList, setAttribute, setText, shape } from "./dom.js";
import { count, duration, size } from "./format.js";

const SAMPLES_MAX = 120; // two minutes at one reading a second; a gap is a missing reading
const WIDTH = 120;
const HEIGHT = 26;

const history = new Map();

function tilesOf(summary) {
  const spread = summary.keys_spread;
  return [
    { name: "Ops/s", value: summary.ops_per_second, text: count(summary.ops_per_second),
      note: "all nodes together" },
    { name: "Apply lag", value: summary.apply_lag_ms, text: duration(summary.apply_lag_ms),
      note: "worst live link" },
    { name: "Heartbeat age", value: summary.heartbeat_age_ms,
      text: duration(summary.heartbeat_age_ms), note: "oldest link" },
    { name: "Backlog", value: summary.backlog_bytes, text: size(summary.backlog_bytes),
      note: "waits to be sent" },
    { name: "Clock skew", value: summary.clock_skew_ms, text: duration(summary.clock_skew_ms),
      note: "between two nodes" },
    { name: "Keys", value: summary.keys, text: count(summary.keys),
      note: spread ? `nodes differ by ${count(spread)}` : "same on each node" },
    { name: "Conflicts", value: summary.conflicts, text: count(summary.conflicts),
      note: "since start" },
  ];
}

function remember(name, value) {
  const samples = history.get(name) ?? [];
  samples.push(value);
  if (samples.length > SAMPLES_MAX) samples.shift();
  history.set(name, samples);
  return samples;
}

// The path of a line chart from zero to the largest value; a null makes a gap.
function linePath(samples) {
  const top = Math.max(1e-9, ...samples.map((value) => value ?? 0));
  const first = SAMPLES_MAX - samples.length;
  let path = "";
  let joined = false;
  samples.forEach((value, index) => {
    if (value === null) {
      joined = false;
      return;
    }
    const x = ((first + index) / (SAMPLES_MAX - 1)) * WIDTH;
    const y = HEIGHT - 2 - (value / top) * (HEIGHT - 4);
    path += `${joined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    joined = true;
  });
  return path;
}

function makeTile(tile) {
  const line = shape("svg", {
    class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none",
    "aria-hidden": "true",
  }, [shape("path", { d: "" })]);
  return element("div", { class: "tile" }, [
    element("dt", {}, [tile.name]),
    element("dd", { class: "value" }),
    element("dd", { class: "note" }),
    line,
  ]);
}

// `isSample` is false when the same reading is drawn again.
export function showTiles(parent, summary, isSample) {
  keepList(parent, tilesOf(summary), (tile) => tile.name, makeTile, (box, tile) => {
    setText(box.children[1], tile.text);
    setText(box.children[2], tile.note);
    if (isSample) {
      setAttribute(box.children[3].firstElementChild, "d", linePath(remember(tile.name, tile.value)));
    }
  });
}
