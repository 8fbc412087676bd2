// Requests and answers of the Open Inference Protocol v2: JSON, and the binary form for the types that JSON lacks.

const halves = { FP16: 16, BF16: 16 };

// isHalf reports whether a datatype travels in binary form only.
export function isHalf(datatype) {
  return datatype in halves;
}

// encode returns headers and body of a request. inputs: [{name, shape, datatype, data}], data flat.
export function encode(inputs, outputs) {
  const message = { inputs: inputs.map((t) => (isHalf(t.datatype) ? binaryInput(t) : t)) };
  if (outputs.some((o) => isHalf(o.datatype))) {
    message.outputs = outputs.map((o) => (isHalf(o.datatype) ? { name: o.name, parameters: { binary_data: true } } : { name: o.name }));
  }
  const json = new TextEncoder().encode(JSON.stringify(message));
  const blobs = inputs.filter((t) => isHalf(t.datatype)).map((t) => pack(t));
  const headers = { "Content-Type": blobs.length > 0 ? "application/octet-stream" : "application/json" };
  if (blobs.length > 0) headers["Inference-Header-Content-Length"] = String(json.length);
  return { headers, body: new Blob([json, ...blobs]), message };
}

function binaryInput({ name, shape, datatype, data }) {
  return { name, shape, datatype, parameters: { binary_data_size: 2 * data.length } };
}

function pack({ datatype, data }) {
  const view = new DataView(new ArrayBuffer(2 * data.length));
  const bits = datatype === "FP16" ? float16Bits : bfloat16Bits;
  data.forEach((x, i) => view.setUint16(2 * i, bits(x), true));
  return view.buffer;
}

const single = new DataView(new ArrayBuffer(4));

function bfloat16Bits(x) {
  single.setFloat32(0, x);
  const bits = single.getUint32(0);
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

// float16Bits rounds to the nearest half, ties to even; what is too large becomes infinite.
function float16Bits(x) {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const a = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (a >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(a || 1)));
  const steps = roundEven(a / 2 ** (exponent - 10)); // 1024 … 2048 where normal
  return sign | (a < 2 ** -14 ? steps : ((exponent + 14) << 10) + steps);
}

function roundEven(x) {
  const low = Math.floor(x);
  const rest = x - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

function float16Value(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  if (exponent === 31) return mantissa ? NaN : sign * Infinity;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25));
}

function bfloat16Value(bits) {
  single.setUint32(0, bits << 16);
  return single.getFloat32(0);
}

// decode reads an answer: JSON, then the bytes of its binary outputs, which become numbers.
export async function decode(answer) {
  const bytes = await answer.arrayBuffer();
  const length = Number(answer.headers.get("Inference-Header-Content-Length") ?? bytes.byteLength);
  const text = new TextDecoder().decode(bytes.slice(0, length));
  const message = parse(text);
  let at = length;
  for (const output of message?.outputs ?? []) {
    const size = output.parameters?.binary_data_size;
    if (size === undefined || !isHalf(output.datatype)) continue;
    const view = new DataView(bytes, at, size);
    const value = output.datatype === "FP16" ? float16Value : bfloat16Value;
    output.data = Array.from({ length: size / 2 }, (_, i) => value(view.getUint16(2 * i, true)));
    at += size;
  }
  return { message, text };
}

// parse reads JSON, also with the NaN and Infinity that the protocol allows; null where it is none.
export function parse(text) {
  for (const candidate of [text, text.replace(/"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g, (m) => (m[0] === '"' ? m : `"${m}"`))]) {
    try {
      return JSON.parse(candidate);
    } catch {
      // the next form
    }
  }
  return null;
}
