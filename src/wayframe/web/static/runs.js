// The list of runs: choosing, doing something with those chosen, and keeping up with what happens.
import { act, refresh, send, whileSeen } from "./api.js";

const list = document.getElementById("list");
const bar = document.getElementById("chosen");
const MOST = 8;

const picks = () => [...document.querySelectorAll(".pick")];
const chosen = () => picks().filter((pick) => pick.checked);
const ids = () => chosen().map((pick) => pick.value);
const states = () => chosen().map((pick) => pick.closest(".run").dataset.state);

const CAN = {
  cancel: (state) => state === "queued" || state === "running",
  retry: (state) => state === "failed",
  delete: (state) => state !== "queued" && state !== "running",
};

function show() {
  const count = chosen().length;
  bar.hidden = count === 0;
  bar.querySelector("[data-count]").textContent = `${count} chosen`;
  const compare = bar.querySelector("[data-compare]");
  compare.disabled = count < 2 || count > MOST;
  compare.title = count < 2 ? "choose two or more" : count > MOST ? `at most ${MOST}` : "";
  for (const button of bar.querySelectorAll("[data-chosen]")) {
    button.hidden = !states().some(CAN[button.dataset.act]);
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches(".pick")) show();
});

// With Shift all runs between this one and the one before are chosen too.
let last = null;
document.addEventListener("click", (event) => {
  if (!event.target.matches(".pick")) return;
  const all = picks();
  const at = all.indexOf(event.target);
  if (event.shiftKey && last !== null && all[last]) {
    for (const pick of all.slice(Math.min(at, last), Math.max(at, last) + 1)) pick.checked = event.target.checked;
    show();
  }
  last = at;
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-act]");
  if (button) {
    const wanted = button.dataset.chosen === undefined
      ? [button.dataset.runs]
      : chosen().filter((pick) => CAN[button.dataset.act](pick.closest(".run").dataset.state)).map((pick) => pick.value);
    button.disabled = true;
    const done = await act(button.dataset.act, wanted);
    button.disabled = false;
    if (done.length) await update();
  }
  if (event.target.closest("[data-clear]")) {
    for (const pick of chosen()) pick.checked = false;
    show();
  }
});

bar.addEventListener("submit", (event) => {
  event.preventDefault();
  location.assign(`/compare?runs=${ids().join(",")}`);
});

async function update() {
  await refresh(["list"]);
  show();
}

// A list in which something runs is fetched anew; else the API is asked whether anything changed.
let before = null;
whileSeen(() => (list.dataset.live === "yes" ? 2 : 5), async () => {
  if (list.dataset.live === "yes") return update();
  const text = JSON.stringify(await send("GET", "/runs?limit=20"));
  if (before !== null && before !== text) await update();
  before = text;
});

// Keys: j and k go through the list, x chooses, Enter opens what has the focus.
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=checkbox]), textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const titles = [...document.querySelectorAll(".run .title")];
  const row = document.activeElement.closest?.(".run");
  const at = row ? titles.findIndex((title) => row.contains(title)) : -1;
  if (event.key === "j") titles[Math.min(at + 1, titles.length - 1)]?.focus();
  if (event.key === "k") titles[Math.max(at - 1, 0)]?.focus();
  if (event.key === "x" && row) row.querySelector(".pick").click();
});
show();
