// Keeps the page as fresh as its events: numbers, notes and curves are replaced in place.
"use strict";

const PARTS = ["now", "day", "day_note", "note", "extra"]; // of a cell, before state, day_state, number, meters
const SILENT_MS = 5000; // events come every second
const STEPS = 60; // points of a curve
const FEWEST = 12; // of them fill the width
const WIDTH = 120;
const HEIGHT = 40;
const MARGIN = 4;

const texts = document.getElementById("texts").dataset;
const status = document.getElementById("status");
const announcement = document.getElementById("announcement");
const cells = new Map([...document.querySelectorAll("[data-cell]")].map((node) => [node.dataset.cell, cellOf(node)]));
let source = null;
let curveStep = 5;
let newest = { age_ms: 0, at: performance.now() }; // how old its data was, and when it came by our own clock
let waiting = 0; // since when, by our own clock

function cellOf(node) {
  const part = (name) => node.querySelector(`[data-part=${name}]`);
  return {
    node,
    parts: PARTS.map(part),
    area: node.querySelector(".area"),
    line: node.querySelector(".line"),
    tip: node.querySelector(".tip"),
    points: [],
    step: null, // unknown until the first event after the curves
    meters: null,
  };
}

function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(event) {
  const live = JSON.parse(event.data);
  if (live.sites !== texts.sites && performance.now() > 2 * SILENT_MS) location.reload(); // never in a quick loop
  for (const [key, values] of Object.entries(live.cells)) {
    const cell = cells.get(key);
    if (!cell) continue;
    PARTS.forEach((_, i) => put(cell.parts[i], values[i]));
    const [state, day, number, meters] = values.slice(PARTS.length);
    if (cell.node.dataset.state !== state) cell.node.dataset.state = state;
    if (cell.node.dataset.day !== day) cell.node.dataset.day = day;
    if (meters !== cell.meters) cell.points = []; // another sum from here on
    cell.meters = meters;
    extend(cell, number, Math.floor(live.made_ms / 1000 / curveStep));
  }
  put(document.querySelector(".as-of"), texts.asOf.replace("{date}", live.date).replace("{time}", live.clock));
  put(document.getElementById("gateways"), live.gateways);
  list(document.getElementById("troubles"), live.troubles);
  const age_ms = live.last_reading_ms === null ? 0 : live.made_ms - live.last_reading_ms;
  newest = { age_ms, at: performance.now() };
  waiting = newest.at;
  say(live.status.state, live.status.label, live.status.text);
}

function list(node, lines) {
  const same = node.children.length === lines.length && lines.every((line, i) => node.children[i].textContent === line);
  if (same) return;
  node.replaceChildren(...lines.map((line) => Object.assign(document.createElement("li"), { textContent: line })));
}

// The line under the heading changes every second; a screen reader hears only that something became different.
function say(state, label, text) {
  const before = status.dataset.state;
  put(status.querySelector("[data-part=label]"), label);
  put(status.querySelector("[data-part=text]"), text);
  if (before === state) return;
  status.dataset.state = state;
  announcement.textContent = state === "live" ? texts.back : text;
}

function watch() {
  if (document.hidden || performance.now() - waiting < SILENT_MS) return;
  const seconds = Math.ceil((newest.age_ms + performance.now() - newest.at) / 1000);
  say("late", texts.late, texts.lost.replace("{age}", age(seconds)));
  if (source.readyState === EventSource.CLOSED) listen();
}

function age(seconds) {
  if (seconds < 60) return texts.seconds.replace("{n}", seconds);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? texts.minutes.replace("{n}", minutes) : texts.hours.replace("{n}", Math.floor(minutes / 60));
}

function curves(event) {
  const sent = JSON.parse(event.data);
  curveStep = sent.step_s;
  for (const [key, points] of Object.entries(sent.curves)) {
    const cell = cells.get(key);
    if (cell) Object.assign(cell, { points, step: null, meters: sent.meters[key] });
  }
}

// The last point follows the newest number until its step is over.
function extend(cell, number, step) {
  if (cell.step !== null && step > cell.step) cell.points.push(...Array(Math.min(step - cell.step, STEPS)).fill(null));
  if (!cell.points.length) cell.points.push(null);
  cell.step = step;
  cell.points = cell.points.slice(-STEPS);
  cell.points[cell.points.length - 1] = number;
  draw(cell);
}

function draw(cell) {
  const there = cell.points.filter((point) => point !== null);
  if (there.length < 2) return [cell.line, cell.area, cell.tip].forEach((path) => path.removeAttribute("d"));
  let low = Math.min(...there);
  let high = Math.max(...there);
  const least = Math.max(Math.abs(high) * 0.1, 0.001); // a flat line shall look flat
  if (high - low < least) [low, high] = [(low + high - least) / 2, (low + high + least) / 2];
  const span = Math.max(cell.points.length, FEWEST) - 1;
  const x = (i) => (WIDTH - MARGIN - ((cell.points.length - 1 - i) / span) * (WIDTH - MARGIN)).toFixed(1);
  const y = (value) => (HEIGHT - MARGIN - ((value - low) / (high - low)) * (HEIGHT - 2 * MARGIN)).toFixed(1);
  let line = "";
  let area = "";
  cell.points.forEach((point, i) => {
    if (point === null) return;
    const starts = i === 0 || cell.points[i - 1] === null;
    const ends = i === cell.points.length - 1 || cell.points[i + 1] === null;
    line += `${starts ? "M" : "L"}${x(i)} ${y(point)}`;
    area += `${starts ? `M${x(i)} ${HEIGHT}` : ""}L${x(i)} ${y(point)}${ends ? `V${HEIGHT}Z` : ""}`;
  });
  cell.line.setAttribute("d", line);
  cell.area.setAttribute("d", area);
  const last = cell.points.at(-1);
  cell.tip.setAttribute("d", last === null ? "" : `M${x(cell.points.length - 1)} ${y(last)}h0`);
}

function listen() {
  waiting = performance.now();
  source = new EventSource(`/events?lang=${document.documentElement.lang}`);
  source.addEventListener("curves", curves);
  source.addEventListener("live", show);
}

document.documentElement.classList.add("scripted");
listen();
setInterval(watch, 1000);
// A hidden page needs no events, and browsers allow only a few open connections to one host.
document.addEventListener("visibilitychange", () => {
  source.close();
  if (!document.hidden) listen();
});
