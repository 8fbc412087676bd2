// What came back: status, times, scores as bars, values.
import { h, id, number, seconds, shapeText } from "./dom.js";

const most = 64; // values of an output that are shown
const best = 5; // scores that are shown as bars
const longest = 20000; // characters of the raw answer that are shown

// showAnswer fills an element with an answer. took is in seconds.
export function showAnswer(element, answer, took, { message, text }) {
  const parts = [outcome(answer, took)];
  const timing = timings(answer.headers.get("Server-Timing"));
  if (timing.length > 0) parts.push(section("Time in the server", bars(timing.map((t) => ({ name: t.name, value: t.value, text: seconds(t.value) })))));
  if (!answer.ok) {
    parts.push(h("p", { text: message?.error ?? message?.message ?? (text || "The answer is empty.") }));
  } else {
    parts.push(...results(message));
    parts.push(raw(text));
  }
  element.replaceChildren(...parts.filter(Boolean));
}

// showFailure says that there was no answer.
export function showFailure(element, error) {
  element.replaceChildren(h("p", { class: "outcome" }, h("span", { class: "pill bad", text: "no answer" }), error.message));
}

function outcome(answer, took) {
  const batch = answer.headers.get("X-Infer-Batch-Size");
  return h("p", { class: "outcome" },
    h("span", { class: `pill ${answer.ok ? "good" : "bad"}`, text: `${answer.status} ${answer.statusText}`.trim() }),
    h("span", { text: `${seconds(took)} in all` }),
    batch ? h("span", { text: batch === "1" ? "1 row in the run" : `${batch} rows in the run` }) : null);
}

// timings reads a Server-Timing header: "queue;dur=0.01, run;dur=1.2", in milliseconds.
function timings(header) {
  return (header ?? "").split(",").map((part) => {
    const [name, ...fields] = part.trim().split(";");
    const dur = fields.map((f) => f.trim()).find((f) => f.startsWith("dur="));
    return { name, value: Number(dur?.slice(4)) / 1e3 };
  }).filter((t) => t.name && Number.isFinite(t.value));
}

// results shows the labels of a declared output where there are some, else every output.
function results(message) {
  const labels = findLabels(message);
  if (labels) {
    const shares = labels.every((l) => l.score >= 0 && l.score <= 1);
    return [section("Labels", bars(labels.map((l) => ({ name: l.label, value: l.score, text: shares ? percent(l.score) : number(l.score) })), shares ? 1 : undefined))];
  }
  return (message?.outputs ?? []).map?.((o) => output(o)) ?? [];
}

// findLabels returns the labels of an answer: {"labels": [{label, score}]}, or {label: score} as TorchServe writes it;
// null where it has none.
function findLabels(message) {
  if (Array.isArray(message?.labels)) return message.labels;
  const pairs = Object.entries(message ?? {});
  if (pairs.length === 0 || !pairs.every(([, score]) => typeof score === "number")) return null;
  return pairs.map(([label, score]) => ({ label, score })).sort((a, b) => b.score - a.score);
}

function percent(x) {
  return `${(100 * x).toFixed(1)} %`;
}

function output({ name, datatype, shape, data }) {
  const flat = (data ?? []).flat(Infinity);
  const heading = `${name}: ${datatype} ${shapeText(shape)}`;
  const isScores = /^B?FP?\d+$/.test(datatype) && flat.length > 2 && flat.length === shape[shape.length - 1] && flat.every(Number.isFinite);
  const parts = [];
  if (isScores) parts.push(scores(flat));
  const rest = flat.length > most ? `, … (${number(flat.length)} in all)` : "";
  const values = flat.slice(0, most).map((x) => (typeof x === "number" && !Number.isInteger(x) ? Number(x.toPrecision(6)) : x));
  parts.push(block(values.join(", ") + rest, `Values of ${name}`));
  return section(heading, ...parts);
}

// scores shows the highest of a row of numbers, as shares where they are some.
function scores(flat) {
  const order = flat.map((score, index) => ({ score, index })).sort((a, b) => b.score - a.score).slice(0, best);
  const total = flat.reduce((sum, x) => sum + x, 0);
  const shares = flat.every((x) => x >= 0 && x <= 1) && Math.abs(total - 1) < 0.01;
  const low = Math.min(...flat);
  const span = order[0].score - low || 1;
  return bars(order.map(({ score, index }) => ({
    name: `index ${index}`, value: shares ? score : (score - low) / span, text: shares ? percent(score) : number(score),
  })), 1);
}

// bars draws values beside their names; full is the value of a whole bar, the largest one where it is missing.
function bars(rows, full = Math.max(...rows.map((r) => r.value)) || 1) {
  return h("ul", { class: "bars" }, rows.map((row) => {
    const fill = h("div", { class: "fill" });
    fill.style.width = `${Math.min(100, Math.max(0, (100 * row.value) / full))}%`;
    return h("li", {}, h("span", { text: row.name }), h("div", { class: "track", "aria-hidden": "true" }, fill), h("span", { class: "figure", text: row.text }));
  }));
}

function section(heading, ...content) {
  return h("div", {}, h("h4", { text: heading }), content);
}

function block(text, label) {
  return h("pre", { tabindex: "0", role: "region", "aria-label": label, id: id("values"), text });
}

function raw(text) {
  const cut = text.length > longest ? `${text.slice(0, longest)} … (${number(text.length)} characters in all)` : text;
  return h("details", {}, h("summary", { text: "The answer as it came" }), block(cut, "The answer as it came"));
}
