"use strict";
// The board follows the numbers, charts are drawn, a person's own row is marked, and a notice says when nobody answers.
// All else is plain HTML and htmx.

// A figure as an axis has room for it: 3000万, 30M.
function short(n) {
  return new Intl.NumberFormat(document.documentElement.lang, { notation: "compact", maximumFractionDigits: 3 }).format(n);
}

function draw(root) {
  for (const place of root.querySelectorAll("[data-chart]")) {
    if (place.firstChild) continue;
    const { periods, lines } = JSON.parse(place.dataset.chart);
    const text = getComputedStyle(document.body).color;
    const axis = { stroke: text, grid: { stroke: "#d5dae3", width: 1 } };
    const colours = ["#1c5fa8", "#8a94a6", "#a3511f"];
    new uPlot(
      {
        width: Math.max(240, place.clientWidth), height: Number(place.dataset.height || 180), legend: { show: false },
        cursor: { show: false }, scales: { x: { time: false } },
        axes: [
          { ...axis, values: (_, ticks) => ticks.map((n) => (Number.isInteger(n) ? periods[n] || "" : "")).map((p) => p.replace(/^\d{4}-/, "")) },
          { ...axis, size: 60, values: (_, ticks) => ticks.map(short) },
        ],
        series: [{}, ...lines.map((line, n) => ({ label: line.label, stroke: colours[n % 3], width: n ? 1.5 : 2.5, dash: n ? [5, 4] : undefined }))],
      },
      [periods.map((_, n) => n), ...lines.map((line) => line.values)],
      place,
    );
  }
}

function markOwn(root) {
  const own = document.body.dataset.rep;
  if (own) for (const row of root.querySelectorAll(`[data-member="${CSS.escape(own)}"]`)) row.classList.add("own");
}

function show(root) {
  draw(root);
  markOwn(root);
}

// Who goes through the board by keyboard stays there when the numbers change.
function renew(board, html) {
  const places = () => [...board.querySelectorAll("a, [tabindex]")];
  const at = places().indexOf(document.activeElement);
  board.innerHTML = html;
  show(board);
  places()[at]?.focus({ preventScroll: true });
}

function follow(board) {
  const state = document.getElementById("live-state");
  const events = new EventSource("/live");
  const say = (name) => { state.textContent = state.dataset[name]; state.className = `state ${name}`; };
  events.addEventListener("open", () => say("live"));
  events.addEventListener("error", () => {
    say("away");
    // A browser comes back by itself only after a stream was cut; not after a proxy has said that we are away.
    if (events.readyState === EventSource.CLOSED) setTimeout(() => follow(board), 5000);
  });
  events.addEventListener("away", () => say("away"));
  events.addEventListener("back", () => say("live"));
  events.addEventListener("signed-out", () => { events.close(); location.assign("/sign-in"); });
  events.addEventListener("board", (event) => { renew(board, event.data); say("live"); });
}

document.addEventListener("DOMContentLoaded", () => {
  show(document.body);
  const board = document.getElementById("board");
  if (board) follow(board);
  document.body.addEventListener("htmx:afterSwap", (event) => show(event.target));
  document.body.addEventListener("htmx:afterSettle", ({ target }) => {
    // Whose button is gone goes on by keyboard where the answer stands.
    if (document.activeElement === document.body && target.hasAttribute("tabindex")) target.focus({ preventScroll: true });
  });
  const notice = document.getElementById("notice");
  document.body.addEventListener("htmx:beforeRequest", () => notice.replaceChildren());
  const away = () => {
    const said = document.createElement("p");
    said.className = "wrong";
    said.textContent = notice.dataset.away;
    notice.replaceChildren(said);
  };
  document.body.addEventListener("htmx:sendError", away);
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    // An error of ours says where it belongs. What a proxy says while we are away takes the place of nothing.
    if (event.detail.xhr.status < 500 || event.detail.xhr.getResponseHeader("HX-Retarget")) return;
    event.detail.shouldSwap = false;
    away();
  });
});
