// Requests to the server, with the API key where it wants one. The key lives in this variable and nowhere else.
let key = "";
let waiting = null;
let asked = () => {};

// whenAsked sets what is called when the server wants a key.
export function whenAsked(listener) {
  asked = listener;
}

// call is fetch with the key. Where the server refuses it (401), the page asks for one and the request is sent again.
export async function call(path, options = {}) {
  for (;;) {
    const headers = new Headers(options.headers);
    if (key) headers.set("Authorization", `Bearer ${key}`);
    const answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
    if (answer.status !== 401) return answer;
    await ask();
  }
}

// hasKey reports whether requests carry a key.
export function hasKey() {
  return key !== "";
}

// ask shows the form for the key, once for all that wait for it, and returns when there is one.
function ask() {
  waiting ??= new Promise((resolve) => {
    const form = document.getElementById("key");
    const field = document.getElementById("key-field");
    const refused = key !== "";
    document.getElementById("key-hint").textContent = refused
      ? "The server does not take this key. Try another one; it is kept in the memory of this page and nowhere else."
      : "It is kept in the memory of this page and nowhere else; a reload forgets it.";
    asked();
    form.hidden = false;
    form.onsubmit = (event) => {
      event.preventDefault();
      key = field.value.trim();
      field.value = "";
      form.hidden = true;
      form.onsubmit = null;
      waiting = null;
      resolve();
    };
    if (!refused) field.focus();
  });
  return waiting;
}
