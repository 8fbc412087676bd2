// The form that sends a request to a model.
import { call, hasKey } from "./api.js";
import { showAnswer, showFailure } from "./answer.js";
import { picker, writer } from "./declared.js";
import { copyButton, h, id, number } from "./dom.js";
import { decode, encode, parse } from "./oip.js";

const few = 64; // elements of an input that are shown to be typed over
const long = 2000; // characters of a body that a curl line shows
const range = { INT8: [-128, 127], INT16: [-32768, 32767], INT32: [-(2 ** 31), 2 ** 31 - 1], UINT8: [0, 255], UINT16: [0, 65535], UINT32: [0, 2 ** 32 - 1] };

// tryForm makes the form for a version of a model; alone: it is the only one of its model, and needs no version in
// the path.
export function tryForm(m, alone) {
  const name = encodeURIComponent(m.name);
  const version = encodeURIComponent(m.version);
  const tensors = tensorWay(m, `/v2/models/${name}${alone ? "" : `/versions/${version}`}/infer`);
  const ways = [tensors];
  const predictions = `/predictions/${name}${alone ? "" : `/${version}`}`;
  if (m.declared === "image") ways.unshift(picker(predictions));
  if (m.declared === "text") ways.unshift(writer(predictions));
  let way = ways[0];
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const send = h("button", { type: "submit", class: "main", text: "Send" });
  const problem = h("p", { class: "reason", role: "alert", hidden: true });
  const form = h("form", { class: "try-form", novalidate: true },
    ways.length > 1 ? chooser(ways, (w) => { way = w; }) : null,
    ways.map((w, i) => { w.element.hidden = i > 0; return w.element; }),
    problem,
    h("div", { class: "controls" }, send, copyCurl(() => way, problem)));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-disabled") === "true") return;
    const request = attempt(() => way.request(), problem);
    if (!request) return;
    send.setAttribute("aria-disabled", "true");
    await run(request, answer);
    send.removeAttribute("aria-disabled");
  });
  return h("div", {}, form, answer);
}

async function run(request, answer) {
  try {
    const start = performance.now();
    const response = await call(request.path, { method: "POST", headers: request.headers, body: request.body });
    const content = await decode(response);
    showAnswer(answer, response, (performance.now() - start) / 1e3, content);
  } catch (error) {
    showFailure(answer, error);
  }
}

// attempt returns what make returns, and shows why where it throws.
function attempt(make, problem) {
  try {
    problem.hidden = true;
    return make();
  } catch (error) {
    problem.hidden = false;
    problem.textContent = error.message;
    error.field?.focus();
    return null;
  }
}

function chooser(ways, choose) {
  const group = id("way");
  return h("div", { class: "ways", role: "radiogroup", "aria-label": "What to send" }, ways.map((w, i) => {
    const radio = h("input", { type: "radio", name: group, checked: i === 0 });
    radio.addEventListener("change", () => {
      ways.forEach((o) => { o.element.hidden = o !== w; });
      choose(w);
    });
    return h("label", {}, radio, w.title);
  }));
}

function copyCurl(way, problem) {
  return copyButton(() => curl(attempt(() => way().request(), problem)), null, "Copy as curl");
}

// curl writes a request as a line for a shell; a body that is long or no text is a file to be named.
function curl(request) {
  if (!request) return "";
  const quote = (s) => `'${s.replaceAll("'", `'\\''`)}'`;
  const headers = Object.entries(request.headers).map(([k, v]) => `-H ${quote(`${k}: ${v}`)}`);
  if (hasKey()) headers.push(`-H "Authorization: Bearer $INFER_KEY"`);
  const body = request.text !== undefined && request.text.length <= long ? `-d ${quote(request.text)}` : `--data-binary @${request.file ?? "request.json"}`;
  return ["curl", ...headers, body, quote(location.origin + request.path)].join(" ");
}

function tensorWay(m, path) {
  const fields = m.inputs.map(tensorField);
  return {
    title: "tensors",
    element: h("div", { class: "try-form" }, fields.map((f) => f.element)),
    request() {
      const { headers, body, message } = encode(fields.map((f) => f.value()), m.outputs);
      const isJSON = headers["Content-Type"] === "application/json";
      return { path, headers, body, text: isJSON ? JSON.stringify(message) : undefined, file: isJSON ? "request.json" : "request.bin" };
    },
  };
}

// tensorField asks for one input: its shape, and its values.
function tensorField(p) {
  const [shapeId, howId, valuesId] = [id("shape"), id("how"), id("values")];
  const example = p.example ?? { shape: p.shape.map((d) => Math.max(1, d)), data: [p.datatype === "BYTES" ? "text" : 0] };
  const size = example.shape.reduce((a, b) => a * b, 1);
  const shape = h("input", { id: shapeId, value: example.shape.join(", "), spellcheck: "false", autocomplete: "off" });
  const uniform = example.data.length === 1;
  const how = h("select", { id: howId },
    h("option", { value: "own", text: "typed below" }),
    h("option", { value: "same", text: uniform ? `all ${JSON.stringify(example.data[0])}` : "the example" }),
    /^(FP|BF|U?INT)/.test(p.datatype) ? h("option", { value: "random", text: "random" }) : null);
  const values = h("textarea", { id: valuesId, spellcheck: "false" });
  const box = h("div", { class: "field" }, h("label", { for: valuesId, text: "Values, row by row; JSON, or numbers with commas" }), values);
  const expand = (n) => (uniform ? Array(n).fill(example.data[0]) : example.data);
  how.value = size <= few ? "own" : "same";
  if (size <= few) values.value = expand(size).map((x) => JSON.stringify(x)).join(", ");
  how.addEventListener("change", () => { box.hidden = how.value !== "own"; });
  box.hidden = how.value !== "own";
  const element = h("fieldset", {},
    h("legend", {}, h("code", { text: p.name }), h("span", { class: "dtype", text: ` ${p.datatype}` })),
    h("div", { class: "pair" },
      h("div", { class: "field" }, h("label", { for: shapeId, text: "Shape" }), shape),
      h("div", { class: "field" }, h("label", { for: howId, text: "Values" }), how)),
    box);
  return { element, value: () => tensorValue(p, shape, how.value, values, expand) };
}

function tensorValue(p, shapeField, how, valuesField, expand) {
  const shape = shapeField.value.trim() === "" ? [] : shapeField.value.split(/[\s,×x]+/).map(Number);
  if (shape.some((d) => !Number.isInteger(d) || d < 0)) throw fault(shapeField, `${p.name}: a shape is a list of whole numbers, such as 1, 3`);
  const n = shape.reduce((a, b) => a * b, 1);
  if (n > 2 ** 24) throw fault(shapeField, `${p.name}: ${number(n)} elements are more than this form sends`);
  const data = how === "own" ? typed(p, valuesField) : how === "random" ? random(p.datatype, n) : expand(n);
  if (data.length !== n) throw fault(how === "own" ? valuesField : shapeField, `${p.name}: the shape has ${number(n)} elements, and there are ${number(data.length)} values`);
  return { name: p.name, shape, datatype: p.datatype, data };
}

function fault(field, message) {
  return Object.assign(new Error(message), { field });
}

function typed(p, field) {
  const text = field.value.trim();
  const list = parse(text.startsWith("[") ? text : `[${text}]`);
  if (!Array.isArray(list)) throw fault(field, `${p.name}: the values are not a list, such as 1, 2.5 or "a", "b"`);
  return list.flat(Infinity);
}

// random makes values up: normal ones, small whole ones.
function random(datatype, n) {
  if (/^U?INT/.test(datatype)) {
    const [low, high] = range[datatype] ?? [0, 9];
    const top = datatype === "UINT8" ? high : Math.min(9, high);
    return Array.from({ length: n }, () => Math.max(0, low) + Math.floor(Math.random() * (top + 1)));
  }
  return Array.from({ length: n }, () => Number((Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())).toFixed(4)));
}
