// The switch between light, dark, and what the system says; the choice is kept in this browser.
const CHOICES = ["auto", "light", "dark"];
const KEY = "wayframe-theme";
const root = document.documentElement;

function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    return CHOICES.includes(kept) ? kept : "auto";
  } catch {
    return "auto"; // storage may be forbidden
  }
}

function show(choice) {
  root.dataset.theme = choice;
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.setAttribute("aria-label", `Theme: ${choice}. Switch to ${next(choice)}`);
  }
}

function next(choice) {
  return CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
}

show(chosen());
document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element) || !event.target.closest("[data-theme-switch]")) return;
  const choice = next(root.dataset.theme ?? "auto");
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // it holds for this page only
  }
  show(choice);
});
