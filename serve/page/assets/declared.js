// The inputs that a model declares: an image file, or a text.
import { h, id } from "./dom.js";

// picker takes an image, from a file dialog or dropped on it.
export function picker(path) {
  const field = id("image");
  const file = h("input", { id: field, type: "file", accept: "image/*" });
  const preview = h("img", { alt: "the chosen image", hidden: true });
  const element = h("div", { class: "drop" }, h("label", { for: field, text: "An image: choose a file, or drop one here" }), file, preview);
  const show = () => {
    URL.revokeObjectURL(preview.src);
    preview.hidden = file.files.length === 0;
    if (file.files.length > 0) preview.src = URL.createObjectURL(file.files[0]);
  };
  file.addEventListener("change", show);
  element.addEventListener("dragover", (event) => {
    event.preventDefault();
    element.classList.add("over");
  });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    file.files = event.dataTransfer.files;
    show();
  });
  return {
    title: "an image",
    element,
    request() {
      if (file.files.length === 0) throw Object.assign(new Error("Choose an image first."), { field: file });
      const chosen = file.files[0];
      return { path, headers: { "Content-Type": chosen.type || "application/octet-stream" }, body: chosen, file: chosen.name };
    },
  };
}

// writer takes a text.
export function writer(path) {
  const field = id("text");
  const text = h("textarea", { id: field, rows: "3" });
  return {
    title: "a text",
    element: h("div", { class: "field" }, h("label", { for: field, text: "A text" }), text),
    request() {
      if (text.value.trim() === "") throw Object.assign(new Error("Write a text first."), { field: text });
      return { path, headers: { "Content-Type": "text/plain; charset=utf-8" }, body: text.value, text: text.value };
    },
  };
}
