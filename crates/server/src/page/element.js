// Element: making parts of the page. Text gets in by textContent alone, never as HTML.
"use strict";

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "text") made.textContent = value;
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export const root = () => document.getElementById("root");

export function show(...children) { root().replaceChildren(...children); }

/** Says something to whoever listens to the page. */
export function announce(text) { document.getElementById("announcer").textContent = text; }

/** A page with one thing on it. */
export function card(title, ...children) {
  document.title = `${title} · Stonechat`;
  show(element("div", { class: "card" }, element("h1", { text: title }), ...children));
}
