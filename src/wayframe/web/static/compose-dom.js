// Elements made by hand: the page has no framework, and no text of a user ever becomes markup.

/** An element with properties (`class`, `data`, listeners as `onclick`, else attributes) and children. */
export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) put(made, key, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function put(element, key, value) {
  if (value === null || value === undefined || value === false) return;
  if (key === "data") Object.assign(element.dataset, value);
  else if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
  else element.setAttribute(key, value === true ? "" : value);
}

/** The same for SVG, where everything is an attribute. */
export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.flat().filter(Boolean));
  return made;
}

/**
 * Have `parent` hold one element for each item, in order. What is there is kept and updated, so that whoever types in
 * it is not disturbed. `make(item)` gives the element, `update(element, item, index)` fills it.
 */
export function keepInStep(parent, items, { key, make, update }) {
  const there = new Map([...parent.children].map((element) => [element.dataset.key, element]));
  const focused = document.activeElement;
  let place = parent.firstElementChild;
  items.forEach((item, index) => {
    const name = String(key(item, index));
    const element = there.get(name) ?? make(item, index);
    there.delete(name);
    element.dataset.key = name;
    if (element !== place) parent.insertBefore(element, place);
    else place = place.nextElementSibling;
    update(element, item, index);
  });
  for (const element of there.values()) element.remove();
  if (focused !== document.activeElement && focused?.isConnected) focused.focus(); // moving an element takes its focus
}

/** Show a value in a control unless somebody is typing there. */
export function show(control, value) {
  if (control === document.activeElement && control.type !== "checkbox") return;
  if (control.type === "checkbox") control.checked = value === true;
  else if (control.value !== String(value ?? "")) control.value = String(value ?? "");
}

/** Set or remove an attribute. */
export function mark(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else element.setAttribute(name, value === true ? "true" : String(value));
}

const byId = (id) => document.getElementById(id);

/** Tell those who do not see the page what happened. */
export function announce(text) {
  byId("said").textContent = text;
}

let hiding = 0;

/** Show a line at the bottom for a while; errors stay longer. */
export function toast(text, { wrong = false } = {}) {
  const line = byId("toast");
  line.textContent = text;
  line.classList.toggle("wrong", wrong);
  clearTimeout(hiding);
  hiding = setTimeout(() => (line.textContent = ""), wrong ? 12000 : 5000);
}
