// The queue: kept up to date, paused, drained, put into another order.
import { act, refresh, say, send, whileSeen } from "./api.js";

const update = () => refresh(["queue"]);

async function change(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(error.message);
  }
  button.disabled = false;
  await update();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { pause, drain, priority } = button.dataset;
  if (pause) change(button, () => send("POST", pause === "yes" ? "/queue/pause" : "/queue/unpause"));
  if (drain) {
    const draining = button.getAttribute("aria-pressed") !== "true";
    change(button, () => send("POST", `/workers/${encodeURIComponent(drain)}/drain`, { draining }));
  }
  if (priority) {
    const run = button.closest("[data-run]").dataset.run;
    change(button, () => send("POST", `/runs/${run}/priority`, { priority: Number(priority) }));
  }
  if (button.dataset.act) change(button, () => act(button.dataset.act, [button.dataset.runs]));
});

whileSeen(() => 2, update);
