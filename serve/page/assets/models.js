// The cards of the models: what each is, and a form to try it.
import { copyButton, h, id, number, seconds, shapeText, shown } from "./dom.js";
import { tryForm } from "./tryit.js";

const tones = { READY: "good", LOADING: "wait", UNLOADING: "wait", UNAVAILABLE: "bad" };

// cards returns the function that shows rows of models inside an element. A card is made once for a version and its
// digest, so that a form keeps what was typed into it.
export function cards(parent) {
  let known = new Map();
  let shownKeys = "";
  return (models) => {
    const next = new Map();
    models.forEach((m, i) => {
      const key = [m.name, m.version, m.digest].join("\n");
      const alone = models.filter((o) => o.name === m.name && o.state === "READY").length <= 1;
      const card = known.get(key) ?? makeCard(m, { alone, open: i === 0 });
      card.update(m);
      next.set(key, card);
    });
    known = next;
    const keys = [...next.keys()].join("\n\n");
    if (keys === shownKeys) return;
    shownKeys = keys;
    const list = [...next.values()].map((c) => c.element);
    parent.replaceChildren(...(list.length > 0 ? list : [h("p", { class: "hint", text: "No model is loaded." })]));
  };
}

function makeCard(m, { alone, open }) {
  const title = id("model");
  const state = h("span", { class: "pill" });
  const reason = h("p", { class: "reason" });
  const advice = h("p", { class: "hint" });
  const batch = h("dd");
  const requests = h("dd");
  const header = h("header", {},
    h("h3", { id: title }, m.name, m.version ? h("span", { class: "version", text: ` version ${m.version}` }) : null), state);
  const element = h("article", { class: "card", "aria-labelledby": title }, header, reason, advice);
  if (m.digest) {
    element.append(facts(m, requests, batch), signature(m));
    element.append(h("details", { class: "try", open }, h("summary", {}, "Try it", h("span", { class: "hidden", text: `: ${m.name} version ${m.version}` })), tryForm(m, alone)));
  }
  const update = (row) => {
    shown(state, row.state.toLowerCase());
    state.className = `pill ${tones[row.state] ?? ""}`;
    shown(reason, row.reason ?? "");
    reason.hidden = !row.reason;
    shown(advice, row.hint ?? "");
    advice.hidden = !row.hint;
    shown(batch, batching(row));
    shown(requests, requestText(row));
  };
  return { element, update };
}

function requestText(row) {
  const parts = [number(row.requests)];
  if (row.failures > 0) parts.push(`${number(row.failures)} failed`);
  if (row.waiting > 0) parts.push(`${number(row.waiting)} waiting`);
  if (row.running > 0) parts.push(`${number(row.running)} running`);
  return parts.join(", ");
}

function facts(m, requests, batch) {
  const fact = (name, value, broad) => h("div", { class: broad ? "broad" : null }, h("dt", { text: name }), value);
  const text = (value) => h("dd", { text: value });
  return h("dl", { class: "facts" },
    fact("Requests", requests),
    fact("Instances × threads", text(`${m.instances} × ${m.threads}`)),
    fact("Loaded", h("dd", {}, h("time", { datetime: m.loaded, text: new Date(m.loaded).toLocaleString([], { dateStyle: "medium", timeStyle: "short" }) }))),
    fact("SHA-256", h("dd", {}, h("code", { text: m.digest.slice(0, 12), title: m.digest }), copyButton(m.digest, `Copy the SHA-256 of ${m.name}`))),
    fact("Batching", batch, true));
}

// batching tells in words whether rows of several requests run together, and whether that pays.
function batching(m) {
  const note = (m.batch_note ?? "").replace(/^no batching: /, "");
  const parts = [m.max_batch > 1 ? `on, up to ${number(m.max_batch)} rows a run` : "off"];
  if (note) parts.push(note);
  if (m.gain?.rows > 1) {
    parts.push(`it pays: a row takes ${seconds(m.gain.together_seconds)} in a run of ${number(m.gain.rows)}, and ${seconds(m.gain.alone_seconds)} alone`);
  } else if (m.gain) {
    parts.push("it does not pay: a row takes no less time together with others");
  }
  return parts.join("; ");
}

function signature(m) {
  const row = (kind) => (p) => h("tr", {},
    h("th", { scope: "row" }, h("code", { text: p.name })), h("td", { text: kind }), h("td", { text: p.datatype }), h("td", { text: shapeText(p.shape) }));
  const label = `Signature of ${m.name} version ${m.version}`;
  return h("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" }, h("table", {}, h("caption", { text: "Signature" }),
    h("thead", {}, h("tr", {}, ["Name", "Direction", "Type", "Shape"].map((t) => h("th", { scope: "col", text: t })))),
    h("tbody", {}, m.inputs.map(row("input")), m.outputs.map(row("output")))));
}
