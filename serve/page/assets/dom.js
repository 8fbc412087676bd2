// Making elements, and writing numbers for people.

// h makes an element. Properties that start with "on" are listeners, "text" is the content, the others attributes.
export function h(tag, properties = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) e.addEventListener(name.slice(2), value);
    else if (name === "text") e.textContent = value;
    else e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined));
  return e;
}

// shown sets the text of an element where it is another one, so that nothing is drawn or read out again.
export function shown(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

const digits = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

// number writes x with three digits, and whole from a hundred on.
export function number(x) {
  return Math.abs(x) >= 100 ? whole.format(x) : digits.format(x);
}

// seconds writes a time: "640 µs", "3.2 ms", "1.5 s".
export function seconds(x) {
  if (x < 1e-3) return `${number(x * 1e6)} µs`;
  if (x < 1) return `${number(x * 1e3)} ms`;
  return `${number(x)} s`;
}

// shapeText writes a shape; an open axis is "any".
export function shapeText(shape) {
  return shape.length === 0 ? "scalar" : shape.map((d) => (d < 0 ? "any" : d)).join(" × ");
}

let last = 0;

// id returns an id that no other element has.
export function id(prefix) {
  return `${prefix}-${++last}`;
}

// copyButton copies a text, or what the function text returns, and says for a moment that it did.
export function copyButton(text, label, title = "Copy") {
  const button = h("button", { type: "button", class: "plain", text: title, "aria-label": label });
  button.addEventListener("click", async () => {
    const done = await navigator.clipboard.writeText(typeof text === "function" ? text() : text).then(() => "Copied", () => "Not allowed");
    shown(button, done);
    setTimeout(() => shown(button, title), 1500);
  });
  return button;
}
