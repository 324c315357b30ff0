// Dragging things of the page itself, by mouse, pen or finger: pointer events, so that one code does for all.

const NEAR = 5; // pixels before a press becomes a drag

/**
 * Have `root` start a drag where `from(target, event)` gives something. `start(thing)`, `move(thing, dx, dy, event)` and
 * `end(thing, done)` follow it; Escape and a lost pointer end it undone.
 */
export function draggable(root, { from, start, move, end }) {
  root.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const thing = from(event.target, event);
    if (thing) follow(root, event, { thing, start, move, end });
  });
}

function follow(root, first, { thing, start, move, end }) {
  let dragging = false;
  const stopped = new AbortController();
  const listen = (target, name, how) => target.addEventListener(name, how, { signal: stopped.signal });
  const finish = (done) => {
    stopped.abort();
    if (dragging) end(thing, done);
  };
  listen(window, "pointermove", (event) => {
    if (event.pointerId !== first.pointerId) return;
    const [dx, dy] = [event.clientX - first.clientX, event.clientY - first.clientY];
    if (!dragging && Math.hypot(dx, dy) < NEAR) return;
    if (!dragging) {
      dragging = true;
      root.setPointerCapture?.(first.pointerId);
      getSelection()?.removeAllRanges();
      start(thing);
    }
    event.preventDefault();
    move(thing, dx, dy, event);
  });
  listen(window, "pointerup", (event) => event.pointerId === first.pointerId && finish(true));
  listen(window, "pointercancel", (event) => event.pointerId === first.pointerId && finish(false));
  listen(window, "keydown", (event) => {
    if (event.key === "Escape") finish(false);
  });
  listen(window, "click", (event) => dragging && event.preventDefault());
  first.preventDefault();
}
