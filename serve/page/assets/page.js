// The page asks the server once a second what it serves and how it does, and shows it. A hidden page does not ask.
import { call, whenAsked } from "./api.js";
import { charts } from "./charts.js";
import { h, shown } from "./dom.js";
import { cards } from "./models.js";

const period = 1000;
const state = document.getElementById("state");
const select = document.getElementById("live-model");
const pause = document.getElementById("pause");
const draw = charts(document.getElementById("charts"));
const show = cards(document.getElementById("cards"));
let figures = [];
let chosen = ""; // the version to look at, "" before someone chose
let timer = 0;
let paused = false;
let asking = false;

async function poll() {
  clearTimeout(timer);
  if (asking || paused || document.hidden) return;
  asking = true;
  let next = period;
  try {
    const answer = await call("/live");
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    update(await answer.json());
  } catch {
    pill("no answer", "bad");
    next = 3 * period;
  }
  asking = false;
  timer = setTimeout(poll, next);
}

// known shows or hides what only the server can tell.
function known(yes) {
  for (const e of document.querySelectorAll("[data-known]")) e.hidden = !yes;
}

function update(live) {
  known(true);
  pill(live.ready ? "ready" : "not ready", live.ready ? "good" : "wait");
  show(live.models);
  figures = live.figures;
  choices();
  drawChosen();
}

function pill(text, tone) {
  shown(state, text);
  state.className = `pill ${tone}`;
}

// choices keeps the list of versions to look at. Where none is chosen, it is the one with the most requests.
function choices() {
  const names = figures.map((f) => (f.version ? `${f.model}, version ${f.version}` : f.model));
  if ([...select.options].map((o) => o.text).join("\n") !== names.join("\n")) {
    select.replaceChildren(...names.map((text) => h("option", { text, value: text })));
  }
  if (names.includes(chosen)) {
    select.value = chosen;
  } else {
    const counts = figures.map((f) => f.answered.reduce((sum, x) => sum + x, 0));
    const most = Math.max(...counts);
    select.selectedIndex = counts.indexOf(most);
    if (most > 0) chosen = select.value; // it shall not change by itself again
  }
}

function drawChosen() {
  draw(figures[Math.max(0, select.selectedIndex)] ?? {});
}

select.addEventListener("change", () => {
  chosen = select.value;
  drawChosen();
});
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", paused);
  poll();
});
document.addEventListener("visibilitychange", poll);
whenAsked(() => {
  known(false);
  pill("needs a key", "wait");
});
drawChosen();
poll();
