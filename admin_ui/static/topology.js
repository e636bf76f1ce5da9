// The mesh as a drawing: each node a card at a fixed place, each direction of each pair an arc of
// its own, since in an active-active mesh one direction can be ill alone. Places follow from the
// number and order of nodes in closed form, so nothing moves between readings. Each state has an
// icon, words and a line style; colour only repeats them.

import { keepList, setAttribute, setText, shape, element } from "./dom.js";
import { ICONS, count, duration, shortened, size, skew } from "./format.js";

const CARD_WIDTH = 244;
const CARD_HEIGHT = 116;
const RING_MAX = 12; // more nodes stand in rows
const LABELS_ALL_MAX = 6; // above this only links that are not in sync keep their label

const LEGEND = [
  ["ok", "in sync"], ["warn", "behind"], ["critical", "far behind, silent"],
  ["busy", "syncing, merging"], ["down", "down, refused"], ["stale", "old reading"],
  ["never", "never connected"],
];

function layout(total) {
  if (total === 1) return { width: 1000, height: 150, places: [[500, 75]] };
  if (total === 2) return { width: 1000, height: 176, places: [[150, 88], [850, 88]] };
  if (total > RING_MAX) return rows(total);
  const width = total <= 6 ? 1000 : 1240;
  const height = total === 3 ? 460 : total <= 6 ? 560 : 820;
  const radiusX = width / 2 - CARD_WIDTH / 2 - 20;
  const radiusY = height / 2 - CARD_HEIGHT / 2 - 14;
  const start = total % 2 === 0 ? -Math.PI / 2 - Math.PI / total : -Math.PI / 2;
  const places = [];
  for (let index = 0; index < total; index += 1) {
    const angle = start + (2 * Math.PI * index) / total;
    places.push([width / 2 + radiusX * Math.cos(angle), height / 2 + radiusY * Math.sin(angle)]);
  }
  return fitted(width, places);
}

function rows(total) {
  const columns = Math.ceil(Math.sqrt(total));
  const places = [];
  for (let index = 0; index < total; index += 1) {
    places.push([160 + (index % columns) * 320, 90 + Math.floor(index / columns) * 220]);
  }
  return fitted(columns * 320, places);
}

// Takes away empty space above and below.
function fitted(width, places) {
  const margin = CARD_HEIGHT / 2 + 14;
  const top = Math.min(...places.map(([, y]) => y)) - margin;
  const bottom = Math.max(...places.map(([, y]) => y)) + margin;
  return { width, height: bottom - top, places: places.map(([x, y]) => [x, y - top]) };
}

// Where the line from a card's middle towards a point leaves the card, with a gap.
function border([x, y], [towardsX, towardsY], gap) {
  const dx = towardsX - x;
  const dy = towardsY - y;
  const share = Math.min(
    (CARD_WIDTH / 2 + gap) / Math.max(Math.abs(dx), 1e-6),
    (CARD_HEIGHT / 2 + gap) / Math.max(Math.abs(dy), 1e-6),
  );
  return [x + dx * share, y + dy * share];
}

// The arc from one card to another bends to the left of its direction, so that the arc back,
// which bends to its own left, runs beside it and never on it.
function arc(from, to, total) {
  const dx = to[0] - from[0];
  const dy = to[1] - from[1];
  const distance = Math.hypot(dx, dy);
  const bend = total === 2 ? 78 : Math.min(64, Math.max(34, distance * 0.13));
  const bow = [
    (from[0] + to[0]) / 2 + (dy / distance) * bend,
    (from[1] + to[1]) / 2 - (dx / distance) * bend,
  ];
  const begin = border(from, bow, 4);
  const end = border(to, bow, 12);
  // With many crossing arcs the label stands nearer to its source than to the crowded middle.
  const share = total > 3 && total <= LABELS_ALL_MAX ? 0.36 : 0.5;
  const [a, b, c] = [(1 - share) ** 2, 2 * share * (1 - share), share ** 2];
  const label = [0, 1].map((axis) => a * begin[axis] + b * bow[axis] + c * end[axis]);
  const angle = (Math.atan2(end[1] - bow[1], end[0] - bow[0]) * 180) / Math.PI;
  return { path: `M${point(begin)}Q${point(bow)} ${point(end)}`, end, angle, label };
}

function point([x, y]) {
  return `${x.toFixed(1)} ${y.toFixed(1)}`;
}

function makeNode() {
  const left = -CARD_WIDTH / 2;
  const top = -CARD_HEIGHT / 2;
  const text = (kind, x, y, end) =>
    shape("text", { class: kind, x, y, ...(end ? { "text-anchor": "end" } : {}) });
  const inner = left + 18;
  return shape("g", { class: "node", tabindex: "0", role: "img" }, [
    shape("rect", {
      class: "card-box", x: left, y: top, width: CARD_WIDTH, height: CARD_HEIGHT, rx: 9,
    }),
    shape("rect", { class: "stripe", x: left + 6, y: top + 10, width: 4,
      height: CARD_HEIGHT - 20, rx: 2 }),
    text("name", inner, top + 25),
    text("state", -left - 12, top + 25, true),
    text("address", inner, top + 43),
    text("figure", inner, top + 66),
    text("figure", -left - 12, top + 66, true),
    text("figure small", inner, top + 86),
    text("figure small", -left - 12, top + 86, true),
    text("figure small", inner, top + 103),
    text("figure small", -left - 12, top + 103, true),
  ]);
}

function nodeLabel(node) {
  const parts = [`node ${node.id}: ${node.state}`];
  if (node.detail) parts.push(node.detail);
  if (node.keys !== null) {
    parts.push(`${count(node.keys)} keys`, `${count(node.ops_per_second)} operations per second`);
  }
  parts.push(`${node.links_up} of ${node.links_total} incoming links carry writes`);
  return parts.join(", ");
}

function updateNode(group, node, place) {
  setAttribute(group, "transform", `translate(${point(place)})`);
  setAttribute(group, "data-grade", node.grade);
  setAttribute(group, "data-stale", node.stale);
  setAttribute(group, "aria-label", nodeLabel(node));
  const texts = [...group.querySelectorAll("text")];
  const state = `${ICONS[node.grade] ?? "?"} ${node.state}`;
  const seconds = node.uptime_seconds === null ? null : node.uptime_seconds * 1000;
  const lines = [
    shortened(node.id, Math.floor((204 - state.length * 7.9) / 8.8)), state,
    node.address + (node.is_self ? " · this node" : ""),
    `${count(node.keys)} keys`, `${count(node.ops_per_second)} ops/s`,
    `lag ${duration(node.apply_lag_ms)}`, `heartbeat ${duration(node.heartbeat_age_ms)}`,
    `backlog ${size(node.backlog_bytes)}`,
    node.is_self ? `up ${duration(seconds)}` : `skew ${skew(node.clock_skew_ms)}`,
  ];
  lines.forEach((line, index) => setText(texts[index], line));
}

function makeLink(link) {
  return shape("g", { class: "link", tabindex: "0", role: "img", "data-link": link.id }, [
    shape("path", { class: "halo" }),
    shape("path", { class: "line" }),
    shape("path", { class: "head", d: "M0 -6L12 0L0 6Z" }),
  ]);
}

function updateLink(group, link, curve) {
  setAttribute(group, "data-grade", link.grade);
  setAttribute(group, "aria-label", link.label);
  const [halo, line, head] = group.children;
  setAttribute(halo, "d", curve.path);
  setAttribute(line, "d", curve.path);
  setAttribute(head, "transform", `translate(${point(curve.end)}) rotate(${curve.angle.toFixed(1)})`);
}

// Labels are a layer of their own, above all lines. The link itself has the words for readers.
function makeLabel() {
  return shape("g", { class: "label" }, [
    shape("rect", { height: 24, y: -12, rx: 12 }),
    shape("rect", { class: "progress", height: 3, y: 8, rx: 1.5 }),
    shape("text", { "text-anchor": "middle", y: 4.5 }),
  ]);
}

function updateLabel(group, link, curve) {
  setAttribute(group, "data-grade", link.grade);
  setAttribute(group, "transform", `translate(${point(curve.label)})`);
  const text = `${ICONS[link.grade] ?? "?"} ${link.text}`;
  const [box, progress, words] = group.children;
  const width = text.length * 7.3 + 24;
  setText(words, text);
  setAttribute(box, "width", width);
  setAttribute(box, "x", -width / 2);
  setAttribute(progress, "x", -width / 2 + 10);
  setAttribute(progress, "width", (width - 20) * (link.progress ?? 0));
}

// Arrow keys go through nodes and links in order; Enter shows the link's row in the table.
function onKey(event) {
  const stops = [...event.currentTarget.querySelectorAll("[tabindex]")];
  const here = stops.indexOf(document.activeElement);
  if (here < 0) return;
  if (event.key === "Enter") {
    const row = document.getElementById(`link:${stops[here].dataset.link}`);
    row?.scrollIntoView({ block: "center" });
    row?.classList.add("found");
    setTimeout(() => row?.classList.remove("found"), 2000);
    return;
  }
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const step = steps[event.key];
  if (step === undefined) return;
  event.preventDefault();
  stops[(here + step + stops.length) % stops.length].focus();
}

function drawing(parent) {
  if (parent.firstElementChild === null) {
    const layers = [
      shape("g", { class: "links" }),
      shape("g", { class: "nodes" }),
      shape("g", { class: "labels", "aria-hidden": "true" }),
    ];
    const svg = shape("svg", { role: "group", "aria-label": "Topology" }, layers);
    svg.addEventListener("keydown", onKey);
    parent.append(svg);
  }
  return parent.firstElementChild;
}

export function showTopology(parent, view) {
  const svg = drawing(parent);
  const total = view.nodes.length;
  const isDense = total > LABELS_ALL_MAX;
  const { width, height, places } = layout(total);
  setAttribute(svg, "viewBox", `0 0 ${width} ${height.toFixed(0)}`);
  svg.classList.toggle("dense", isDense);
  const placeOf = new Map(view.nodes.map((node, index) => [node.id, places[index]]));
  const links = view.links.filter((link) => placeOf.has(link.source) && placeOf.has(link.target));
  const curveOf = (link) => arc(placeOf.get(link.source), placeOf.get(link.target), total);
  const labelled = links.filter((link) => !isDense || link.grade !== "ok");
  const [lines, nodes, labels] = svg.children;
  const idOf = (row) => row.id;
  keepList(lines, links, idOf, makeLink, (group, link) => updateLink(group, link, curveOf(link)));
  keepList(nodes, view.nodes, idOf, makeNode, (group, node) =>
    updateNode(group, node, placeOf.get(node.id)));
  keepList(labels, labelled, idOf, makeLabel, (group, link) =>
    updateLabel(group, link, curveOf(link)));
}

export function showLegend(list) {
  for (const [grade, words] of LEGEND) {
    const line = shape("svg", { class: "link", "data-grade": grade, viewBox: "0 0 34 10",
      "aria-hidden": "true" }, [shape("path", { class: "line", d: "M2 5H32" })]);
    list.append(element("li", { "data-grade": grade }, [
      line, element("span", { class: "icon", "aria-hidden": "true" }, [ICONS[grade]]), words,
    ]));
  }
}
