// How files get onto the page: dropped from the desktop, pasted, or chosen.
const page = document.documentElement;

const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Call `take(files, event)` for what is dropped anywhere, pasted, or chosen with the input. */
export function receive(input, take) {
  let depth = 0; // dragenter and dragleave come for every element on the way
  const over = (shown) => page.classList.toggle("dropping", shown);
  document.addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    depth += 1;
    over(true);
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    depth = Math.max(depth - 1, 0);
    over(depth > 0);
  });
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth = 0;
    over(false);
    const place = { clientX: event.clientX, clientY: event.clientY, target: event.target };
    const files = await filesOf(event.dataTransfer);
    if (files.length) take(files, place);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files.map(named), null);
  });
  input.addEventListener("change", () => {
    if (input.files.length) take([...input.files], null);
    input.value = ""; // the same file may be chosen again
  });
}

/** The files that are dropped, and those in dropped folders. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const folders = entries.filter((entry) => entry.isDirectory);
  const files = [...transfer.files].filter((file) => !folders.some((folder) => folder.name === file.name));
  const inside = await Promise.all(folders.map(filesIn));
  return [...files, ...inside.flat()];
}

async function filesIn(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const entries = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (!entries.length) return found;
    const files = entries.filter((entry) => entry.isFile && !entry.name.startsWith("."));
    found.push(...(await Promise.all(files.map((entry) => new Promise((resolve, reject) => entry.file(resolve, reject))))));
  }
}

/** What is pasted is called image.png, every time. */
function named(file) {
  if (file.name !== "image.png") return file;
  const moment = new Date().toISOString().slice(11, 19).replaceAll(":", "");
  return new File([file], `pasted-${moment}.png`, { type: file.type });
}
