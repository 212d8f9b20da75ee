/* What forms do: they show that they work, count, show secrets while they are typed, and warn before input is lost. */
"use strict";

/* Every form shows that it works as soon as it is sent. A second press does nothing. */
const working = new Map();
addEventListener("submit", (event) => {
  // On the window, after every listener of the document: one of them may have kept the form.
  if (event.defaultPrevented) return;
  if (working.has(event.target)) return event.preventDefault();
  if (event.target === form) leaving = true;
  working.set(event.target, startBusy(event.submitter));
});
/* The button shows `data-busy`, or only a sign. Returns a function that ends this. */
function startBusy(button) {
  if (!button) return () => {};
  const parts = [...button.childNodes];
  const text = button.dataset.busy;
  const width = button.offsetWidth;
  button.style.minWidth = `${width}px`;
  button.setAttribute("aria-busy", "true");
  if (text) button.replaceChildren(text);
  // The button keeps its width: where the text needs more, only the sign is shown.
  button.classList.toggle("sign-only", button.offsetWidth > width + 1);
  announce(text ?? "Working…");
  return () => {
    button.removeAttribute("aria-busy");
    button.style.minWidth = "";
    button.classList.remove("sign-only");
    button.replaceChildren(...parts);
    announce("");
  };
}
function endWork() {
  leaving = false;
  for (const end of working.values()) end();
  working.clear();
}
addEventListener("pageshow", endWork);
/* The user can stop a slow answer. The form can then be sent again. */
globalThis.navigation?.addEventListener("navigate", (event) => event.signal.addEventListener("abort", endWork));

/* Before a form is sent. */
on("submit", refuseBrokenDate, true);
on("submit", hideSecrets, true);
/* A date that is not complete would be sent as an empty one. */
function refuseBrokenDate(event) {
  const broken = [...event.target.elements].find((input) => input.type === "date" && input.validity.badInput);
  broken?.closest("details")?.setAttribute("open", "");
  if (!broken?.checkVisibility()) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  broken.reportValidity();
}

/* Secrets can be shown while they are typed. They are sent as passwords, so that the browser does not store them. */
on("click", (event) => {
  const button = event.target.closest("[data-reveal]");
  if (button) reveal(button, inputOf(button).type === "password");
});
const inputOf = (button) => document.getElementById(button.dataset.reveal);
function reveal(button, isShown) {
  inputOf(button).type = isShown ? "text" : "password";
  button.firstChild.data = isShown ? "Hide" : "Show";
}
function hideSecrets() {
  for (const button of all("[data-reveal]")) if (inputOf(button).type === "text") reveal(button, false);
}
addEventListener("pagehide", hideSecrets);
for (const type of ["keydown", "keyup", "pointerdown"]) on(type, showCapsLock);
function showCapsLock(event) {
  const place = event.target.closest?.(".secret-input")?.querySelector(".caps");
  if (!place || !event.getModifierState) return;
  const text = event.getModifierState("CapsLock") ? "Caps Lock is on." : "";
  if (place.textContent !== text) place.textContent = text;
}

/* A link to a field in a closed group opens the group. */
on("click", (event) => {
  const link = event.target.closest("a[href^='#']");
  if (link) document.getElementById(link.hash.slice(1))?.closest("details")?.setAttribute("open", "");
});

/* Lengths are counted and shown. Nothing is cut off. */
function countLengths(within) {
  for (const place of all("[data-count]", within)) {
    const input = document.getElementById(place.dataset.count);
    const max = Number(place.dataset.max);
    const showLength = () => {
      const length = [...input.value].length;
      place.textContent = `${length.toLocaleString("en")} of ${max.toLocaleString("en")} characters`;
      place.classList.toggle("over", length > max);
    };
    input.addEventListener("input", showLength);
    addEventListener("pageshow", showLength);
    showLength();
  }
}
countLengths(document);

/* The placeholder shows the default of the choice. A value that is the default of the choice before follows. */
for (const input of all("[data-defaults]")) {
  const choice = document.getElementById(input.dataset.defaultsOf);
  const defaults = JSON.parse(input.dataset.defaults);
  let before;
  const showDefault = () => {
    before = String(defaults[choice.value] ?? "");
    input.placeholder = before;
  };
  choice.addEventListener("input", () => {
    const followed = input.value !== "" && input.value === before;
    showDefault();
    if (!followed) return;
    input.value = before;
    announce(`${input.labels[0].textContent.trim()}: ${before}`);
  });
  addEventListener("pageshow", showDefault);
  showDefault();
}

/* Unsaved changes: their number, and a warning before they are lost. */
const form = document.querySelector("form[data-dirty]");
let leaving = false;
if (form) {
  const wasSent = "isDirty" in form.dataset;
  const isChanged = (field) => {
    if (/^(checkbox|radio)$/.test(field.type)) return field.checked !== field.defaultChecked;
    if (!field.options) return field.value !== field.defaultValue;
    const initial = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(initial, 0);
  };
  // A group of radio buttons counts as one field, and a secret by its radio buttons. A button is no field.
  const counts = (field) => field.name && !field.closest(".replacement") && (field.type !== "radio" || field.checked);
  const changes = () => all("input, select, textarea", form).filter((field) => counts(field) && isChanged(field)).length;
  const showChanges = () => {
    const number = changes();
    form.querySelector(".unsaved").textContent = wasSent ? "Not saved yet" : number ? `${number} unsaved change${number > 1 ? "s" : ""}` : "";
  };
  form.addEventListener("input", showChanges);
  for (const link of all("[data-discard]")) link.addEventListener("click", () => (leaving = true));
  addEventListener("beforeunload", (event) => {
    if (!leaving && (wasSent || changes())) event.preventDefault();
  });
  // When the user goes back to this page, the browser restores the fields before this event.
  addEventListener("pageshow", () => {
    showChanges();
    for (const field of form.elements) if (isChanged(field)) field.closest("details.group")?.setAttribute("open", "");
  });
}
