// The tables of nodes and links: the same rows as the drawing, in text, always on the page.

import { element, keepList, setAttribute, setText } from "./dom.js";
import { ICONS, UNKNOWN, count, duration, size, skew } from "./format.js";

function stateCell() {
  return element("td", { class: "state" }, [
    element("span", { class: "icon", "aria-hidden": "true" }),
    element("span", { class: "word" }),
  ]);
}

function setState(cell, grade, text, title) {
  setAttribute(cell, "data-grade", grade);
  setText(cell.children[0], ICONS[grade] ?? "?");
  setText(cell.children[1], text);
  setAttribute(cell, "title", title);
}

function row(kinds) {
  const cells = kinds.map((kind) => {
    if (kind === "state") return stateCell();
    if (kind === "head") return element("th", { scope: "row" });
    return element("td", kind === "num" ? { class: "num" } : {});
  });
  return element("tr", {}, cells);
}

const NODE_CELLS = [
  "head", "state", "num", "num", "num", "num", "num", "num", "num", "num", "num", "num", "num",
  "num", "text",
];

function memory(node) {
  if (node.memory_used_bytes === null) return UNKNOWN;
  const used = size(node.memory_used_bytes);
  return node.maxmemory_bytes ? `${used} of ${size(node.maxmemory_bytes)}` : used;
}

function version(node) {
  if (!node.plexis_version) return node.redis_version || UNKNOWN;
  return `${node.plexis_version}${node.compiled ? "" : " (pure Python)"}`;
}

function updateNode(line, node) {
  const cells = line.children;
  setAttribute(line, "data-stale", node.stale);
  setText(cells[0], node.id + (node.is_self ? " (this node)" : ""));
  setAttribute(cells[0], "title", `${node.address}\nmember ${node.member_id || "unknown"}`);
  setState(cells[1], node.grade, node.state, node.detail);
  const uptime = node.uptime_seconds === null ? null : node.uptime_seconds * 1000;
  const texts = [
    count(node.keys),
    count(node.ops_per_second),
    count(node.connected_clients),
    memory(node),
    `${node.links_up} / ${node.links_total}`,
    duration(node.heartbeat_age_ms),
    duration(node.apply_lag_ms),
    size(node.backlog_bytes),
    skew(node.clock_skew_ms),
    count(node.conflicts),
    duration(node.holds_up_ms),
    duration(uptime),
    version(node),
  ];
  texts.forEach((text, index) => setText(cells[index + 2], text));
}

const LINK_CELLS = [
  "head", "head", "state", "num", "num", "num", "num", "num", "num", "num", "text",
];

function backlog(link) {
  if (link.backlog_ops === null) return size(link.backlog_bytes);
  return `${count(link.backlog_ops)} ops ${size(link.backlog_bytes)}`;
}

function updateLink(line, link) {
  const cells = line.children;
  setAttribute(line, "id", `link:${link.id}`);
  setAttribute(line, "data-stale", link.stale);
  setText(cells[0], link.source);
  setText(cells[1], link.target);
  setState(cells[2], link.grade, link.text, link.label);
  const texts = [
    duration(link.heartbeat_age_ms),
    duration(link.rtt_ms),
    duration(link.apply_lag_ms),
    backlog(link),
    skew(link.clock_skew_ms),
    `${link.resync_full} / ${link.resync_partial}`,
    duration(link.for_ms),
    link.last_error || UNKNOWN,
  ];
  texts.forEach((text, index) => setText(cells[index + 3], text));
}

export function showNodes(body, nodes) {
  keepList(body, nodes, (node) => node.id, () => row(NODE_CELLS), updateNode);
}

export function showLinks(body, links) {
  keepList(body, links, (link) => link.id, () => row(LINK_CELLS), updateLink);
}

export function showProblems(list, problems) {
  keepList(
    list,
    problems,
    (problem) => `${problem.kind}|${problem.where}`,
    () =>
      element("li", {}, [
        element("span", { class: "icon", "aria-hidden": "true" }),
        element("span", { class: "kind" }),
        element("span", { class: "text" }),
      ]),
    (item, problem) => {
      const grade = problem.severity === "critical" ? "down" : "warn";
      setAttribute(item, "data-grade", grade);
      setText(item.children[0], ICONS[grade]);
      setText(item.children[1], problem.kind);
      setText(item.children[2], problem.text);
    },
  );
}
