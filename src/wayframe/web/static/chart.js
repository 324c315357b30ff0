// The chart of steps as SVG, from a drawing whose places the server worked out (report/chart.py).
import { el, svg } from "./compose-dom.js";

const LONGEST = 23;

const round = (number) => Math.round(number * 10) / 10;
const short = (text) => (text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`);

function cellOf(cell) {
  const box = { x: round(cell.x), width: round(cell.width), rx: 3 };
  return svg(
    "g",
    { class: `cell ${cell.kind}${cell.differs ? " differs" : ""}` },
    titled(cell.hint),
    svg("rect", { ...box, class: "box", y: cell.y + 1, height: cell.height }),
    cell.bar ? svg("rect", { ...box, class: "bar", y: round(cell.y + 1 + cell.height - cell.bar), height: round(cell.bar) }) : null,
    cell.text ? text(cell.text, { x: round(cell.x + cell.width / 2), y: cell.y + 1 + cell.height / 2 }) : null,
  );
}

function titled(words) {
  const title = svg("title");
  title.textContent = words;
  return title;
}

function text(words, attributes) {
  const element = svg("text", attributes);
  element.textContent = words;
  return element;
}

/** The figure of a drawing; it scrolls in itself where the window is narrow. */
export function chart(drawing) {
  const labels = drawing.labels.map((label) =>
    text(short(label.text), { class: label.head ? "lane" : "name", x: label.head ? 4 : drawing.label - 8, y: label.y }),
  );
  const picture = svg(
    "svg",
    {
      viewBox: `0 0 ${drawing.width} ${drawing.height}`,
      width: drawing.width,
      height: drawing.height,
      role: "img",
      "aria-label": drawing.title,
    },
    labels,
    drawing.cells.map(cellOf),
  );
  const frame = el("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": drawing.title }, picture);
  return el("figure", { class: "chart" }, el("figcaption", {}, drawing.title), frame);
}
