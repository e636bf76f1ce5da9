// The page's state and its event stream. The server sends a whole snapshot first and then, each
// second, what changed; a stream that is silent for longer than SILENT_MS is taken for dead even
// if the socket is open. The header says live, reconnecting or paused in words.

import { setAttribute, setText } from "./dom.js";
import { ICONS } from "./format.js";
import { showLinks, showNodes, showProblems } from "./tables.js";
import { showTiles } from "./tiles.js";
import { showLegend, showTopology } from "./topology.js";

const SILENT_MS = 4000;
const RETRY_MS = 1000;
const HIDDEN_MS = 60000; // a page nobody sees gives its stream back after this

const at = (id) => document.getElementById(id);

let view = null;
let stream = null;
let isPaused = false;
let lastHeardAt = 0;
let retryTimer = 0;
let hiddenTimer = 0;
let version = null;

function say(state) {
  const connection = at("connection");
  setAttribute(connection, "data-state", state);
  setText(connection, state);
  document.body.classList.toggle("old", state === "reconnecting" && view !== null);
}

function show(isSample) {
  const { summary } = view;
  setText(at("mesh-name"), view.name);
  setText(at("node-name"), view.node);
  setText(at("topology-word"), view.topology);
  setAttribute(at("verdict"), "data-grade", summary.grade);
  setText(at("verdict").querySelector(".icon"), ICONS[summary.grade] ?? "?");
  setText(at("state-word"), summary.state);
  setText(at("state-sentence"), summary.sentence);
  document.title = `${summary.state} - ${view.name || view.node} - Plexis`;
  showTiles(at("tiles"), summary, isSample);
  showTopology(at("topology"), view);
  showNodes(at("nodes").tBodies[0], view.nodes);
  showLinks(at("links").tBodies[0], view.links);
  at("problems-card").hidden = view.problems.length === 0;
  setText(at("problem-count"), String(view.problems.length));
  showProblems(at("problems"), view.problems);
  showBuild();
}

function showBuild() {
  const own = view.nodes.find((node) => node.is_self);
  if (!own) return;
  setText(at("build"), `Plexis ${own.plexis_version}, Redis ${own.redis_version} compatible`);
  // After an upgrade of the node its page may be another one.
  if (version !== null && version !== own.plexis_version) location.reload();
  version = own.plexis_version;
}

function merged(rows, changed) {
  const byId = new Map(changed.map((row) => [row.id, row]));
  return rows.map((row) => byId.get(row.id) ?? row);
}

function apply(patch) {
  const { nodes, links, ...parts } = patch;
  view = { ...view, ...parts };
  if (nodes) view.nodes = merged(view.nodes, nodes);
  if (links) view.links = merged(view.links, links);
}

function heard(event) {
  lastHeardAt = performance.now();
  say("live");
  return JSON.parse(event.data);
}

function connect() {
  disconnect();
  lastHeardAt = performance.now();
  stream = new EventSource("/api/v1/events");
  stream.addEventListener("snapshot", (event) => {
    view = heard(event);
    show(true);
  });
  stream.addEventListener("patch", (event) => {
    const patch = heard(event);
    if (view === null) return;
    apply(patch);
    show(true);
  });
  stream.addEventListener("error", lost);
}

function disconnect() {
  clearTimeout(retryTimer);
  if (stream !== null) stream.close();
  stream = null;
}

function lost() {
  disconnect();
  if (isPaused) return;
  say("reconnecting");
  retryTimer = setTimeout(retry, RETRY_MS);
}

// EventSource does not tell why it failed, so ask: the session may be over, the node may be gone.
async function retry() {
  try {
    const answer = await fetch("/api/v1/mesh", {
      cache: "no-store",
      signal: AbortSignal.timeout(SILENT_MS),
    });
    if (answer.status === 401) {
      location.assign("/login");
      return;
    }
    if (!isPaused && stream === null && answer.ok) {
      connect();
      return;
    }
  } catch {
    // Not there yet: the next try follows.
  }
  if (!isPaused && stream === null) lost();
}

function pause(paused) {
  isPaused = paused;
  setAttribute(at("pause"), "aria-pressed", paused);
  setText(at("pause"), paused ? "Resume" : "Pause");
  if (paused) {
    disconnect();
    say("paused");
  } else {
    say("connecting");
    connect();
  }
}

function watchSilence() {
  if (stream !== null && performance.now() - lastHeardAt > SILENT_MS) lost();
}

function onVisibility() {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = setTimeout(disconnect, HIDDEN_MS);
  else if (!isPaused && stream === null) {
    say("connecting");
    connect();
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  at("theme").value = theme;
}

function stored(key, fallback) {
  try {
    return localStorage.getItem(key) ?? fallback;
  } catch {
    return fallback; // storage is switched off in this browser
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off: the choice lasts as long as the page.
  }
}

function start() {
  setTheme(stored("plexis-theme", "auto"));
  at("theme").addEventListener("change", (event) => {
    setTheme(event.target.value);
    store("plexis-theme", event.target.value);
  });
  at("pause").addEventListener("click", () => pause(!isPaused));
  at("log-out").hidden = !document.cookie.includes("plexis_login=1");
  showLegend(at("legend"));
  document.addEventListener("visibilitychange", onVisibility);
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => {
    if (event.persisted && !isPaused) connect();
  });
  setInterval(watchSilence, 500);
  connect();
}

start();
