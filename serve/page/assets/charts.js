// The live charts: one SVG each, drawn anew with every answer of the server.
import { h, id, number, seconds, shown } from "./dom.js";

const width = 300;
const height = 88;

// kinds are the charts: what each shows of a version's figures.
const kinds = [
  { title: "Requests a second", write: number, floor: 1, lines: [{ name: "answered", of: "answered" }, { name: "errors", of: "unanswered" }] },
  { title: "Latency", write: seconds, floor: 1e-6, lines: [{ name: "p50", of: "latency_p50" }, { name: "p99", of: "latency_p99" }] },
  { title: "Time in the queue", write: seconds, floor: 1e-6, lines: [{ name: "p50", of: "queue_p50" }, { name: "p99", of: "queue_p99" }] },
  { title: "Rows of a run", write: number, floor: 1, lines: [{ name: "mean", of: "batch_rows" }] },
];

// charts makes them inside an element and returns the function that draws figures: an object with a list for each
// line, a value a second, null where there is none.
export function charts(parent) {
  const all = kinds.map((kind) => chart(parent, kind));
  return (figures) => all.forEach((draw) => draw(figures));
}

function chart(parent, kind) {
  const title = id("chart");
  const now = kind.lines.map(() => h("b", { text: "–" }));
  const legend = h("ul", { class: "now" }, kind.lines.map((line, i) =>
    h("li", { class: `s${i}` }, h("i", { class: "dot" }), now[i], h("span", { text: line.name }))));
  const svg = vector("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-labelledby": title });
  const label = vector("title", { id: title });
  svg.append(label, ...[0, 0.5, 1].map((y) => vector("line", { class: "grid", x1: 0, x2: width, y1: y * height, y2: y * height })));
  const paths = kind.lines.map((_, i) => {
    const three = ["area", "line", "dots"].map((kind) => vector("path", { class: `${kind} s${i}` }));
    svg.append(...three);
    return three;
  });
  const top = h("span", { class: "top-label" });
  parent.append(h("figure", { class: "chart" },
    h("figcaption", { text: kind.title }), legend,
    h("div", { class: "plot" }, svg, top),
    h("div", { class: "times", "aria-hidden": "true" }, h("span", { text: "a minute ago" }), h("span", { text: "now" }))));

  return (figures) => {
    const series = kind.lines.map((line) => figures[line.of] ?? []);
    const known = series.flat().filter((v) => v !== null);
    const scale = ceiling(Math.max(kind.floor, ...known));
    series.forEach((values, i) => {
      const [area, line, dots] = paths[i];
      area.setAttribute("d", i === 0 ? under(values, scale) : "");
      line.setAttribute("d", trace(values, scale));
      dots.setAttribute("d", lone(values, scale));
      shown(now[i], latest(values, kind.write));
    });
    shown(top, known.length > 0 ? kind.write(scale) : "");
    shown(label, `${kind.title}, last minute: ` + kind.lines.map((line, i) => `${line.name} ${summary(series[i], kind.write)}`).join("; "));
  };
}

// vector makes an SVG element.
function vector(tag, attributes) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
}

// ceiling returns the next of 1, 2, 5, 10, … so that the scale stays while values move a little.
function ceiling(x) {
  const power = 10 ** Math.floor(Math.log10(x));
  return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= x * 0.999);
}

function place(values, i, scale) {
  const x = values.length > 1 ? (i / (values.length - 1)) * width : width;
  return `${x.toFixed(1)} ${(height - (values[i] / scale) * height).toFixed(1)}`;
}

function missing(values, i) {
  return (values[i] ?? null) === null;
}

// trace is the path of a line, with a gap where a value is missing.
function trace(values, scale) {
  let path = "";
  for (let i = 0; i < values.length; i++) {
    if (!missing(values, i)) path += `${missing(values, i - 1) ? "M" : "L"}${place(values, i, scale)}`;
  }
  return path;
}

// lone is a path of dots: the values between two gaps, which a line does not show.
function lone(values, scale) {
  let path = "";
  for (let i = 0; i < values.length; i++) {
    if (!missing(values, i) && missing(values, i - 1) && missing(values, i + 1)) path += `M${place(values, i, scale)}h.01`;
  }
  return path;
}

// under is the area below a line.
function under(values, scale) {
  let path = "";
  for (let i = 0; i < values.length; i++) {
    if (missing(values, i)) continue;
    let end = i;
    while (!missing(values, end + 1)) end++;
    const points = [];
    for (let k = i; k <= end; k++) points.push(place(values, k, scale));
    const [left, right] = [points[0], points[points.length - 1]].map((p) => p.split(" ")[0]);
    path += `M${left} ${height}L${points.join("L")}L${right} ${height}Z`;
    i = end;
  }
  return path;
}

function latest(values, write) {
  const v = values[values.length - 1] ?? null;
  return v === null ? "–" : write(v);
}

function summary(values, write) {
  const known = values.filter((v) => v !== null);
  if (known.length === 0) return "without a value";
  return `${latest(values, write) === "–" ? "none" : latest(values, write)} now, ${write(Math.max(...known))} at most`;
}
