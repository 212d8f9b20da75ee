/* Enhancements. Each works without the others, and every page works without any of them. */
"use strict";
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const on = (type, act, options) => document.addEventListener(type, act, options);
root.classList.add("js");

/* Times in the time zone of the browser. */
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
function localiseTimes(within) {
  for (const at of all("time .at, time.at", within)) at.textContent = ` ${exact.format(new Date(at.closest("time").dateTime))} (${zone})`;
}
localiseTimes(document);
for (const place of all("[data-zone]")) place.textContent = zone;

/* Screen readers read a status when it is added, not when the page has it from the start. */
for (const flash of all(".flash[role=status]")) {
  const parts = [...flash.childNodes];
  flash.replaceChildren();
  setTimeout(() => flash.append(...parts), 50);
}

/* Copy, dismiss. */
async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-copy-label]");
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    label.textContent = "Copied";
  } catch {
    source.select?.();
    label.textContent = "Press Ctrl C";
  }
  label.setAttribute("role", "status");
  setTimeout(() => (label.textContent = "Copy"), 3000);
}
on("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.copy) copy(button);
  if (button && "dismiss" in button.dataset) button.closest(".flash").remove();
});

/* Theme without leaving the page. */
on("submit", async (event) => {
  if (!event.target.matches(".themes") || !event.submitter) return;
  event.preventDefault();
  const { value } = event.submitter;
  const body = new URLSearchParams(new FormData(event.target, event.submitter));
  root.dataset.theme = value;
  for (const button of event.target.elements) button.ariaPressed = String(button.value === value);
  await fetch(event.target.action, { method: "POST", body, redirect: "manual" });
});

/* Menus close on Escape and on a click outside them. */
on("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
on("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/* Confirmations: the page of the link, as a dialog. */
on("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const page = await (await fetch(link.href)).text();
    showDialog(new DOMParser().parseFromString(page, "text/html").querySelector("[data-dialog-content]"), link);
  } catch {
    location = link.href;
  }
});
function showDialog(content, link) {
  const heading = document.createElement("h2");
  const old = content.querySelector("h1");
  heading.id = old.id;
  heading.append(...old.childNodes);
  old.replaceWith(heading);
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", heading.id);
  dialog.append(content);
  const menu = link.closest("details");
  if (menu) menu.open = false;
  dialog.addEventListener("close", () => {
    dialog.remove();
    (menu?.querySelector("summary") ?? link).focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog && !event.target.closest("[data-close]")) return;
    event.preventDefault();
    dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
  countLengths(dialog);
}

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

/* Buttons that test an agent say so while the test runs. A second press does nothing. */
let leavesToTest = false;
on("submit", (event) => {
  const button = event.submitter;
  if (!button?.dataset.busy) return;
  if (button.dataset.text) return event.preventDefault();
  button.dataset.text = button.lastChild.data;
  button.lastChild.data = button.dataset.busy;
  showRunning();
  if (button.value !== "test" || leavesToTest) return;
  event.preventDefault();
  testForm(button);
});
const panel = () => document.getElementById("test-result");
function showRunning() {
  const sentence = document.createElement("p");
  sentence.className = "running none";
  sentence.setAttribute("role", "status");
  sentence.textContent = "Testing… (up to 10 seconds)";
  panel().querySelector(".card-head").after(sentence);
}
function endBusy(button) {
  if (button.dataset.text) button.lastChild.data = button.dataset.text;
  document.querySelector("#test-result > .running")?.remove();
  delete button.dataset.text;
}
addEventListener("pageshow", () => {
  leavesToTest = false;
  all("[data-busy]").forEach(endBusy);
});

/* The form is tested without leaving the page: what was typed stays, secrets too. Nothing is stored in the browser. */
async function testForm(button) {
  const values = () => new URLSearchParams(new FormData(button.form, button));
  const sent = values();
  const answer = await fetch(button.form.action, { method: "POST", body: sent }).catch(() => null);
  const page = new DOMParser().parseFromString((await answer?.text().catch(() => "")) ?? "", "text/html");
  const result = page.getElementById("test-result");
  endBusy(button);
  if (!result && !(answer?.status < 500)) return showNoAnswer();
  if (!result || page.querySelector(".stale, #split-addresses")) {
    // The answer is another page, or changes the form.
    leavesToTest = true;
    button.form.requestSubmit(button);
    return;
  }
  for (const one of all(".retype", page)) one.remove();
  result.querySelector("h2").autofocus = false;
  document.title = page.title;
  const refusal = result.querySelector(":scope > [role=alert]");
  if (refusal) showRefusal(refusal);
  else panel().replaceWith(result);
  localiseTimes(panel());
  if (String(sent) !== String(values())) markOutdated();
  say(result.dataset.said ?? "");
  if (!showProblems(button.form, page)) showPanel();
}
function showPanel() {
  const { top, bottom } = panel().getBoundingClientRect();
  if (top < 0 || bottom > innerHeight) panel().scrollIntoView();
}
function say(text) {
  document.getElementById("test-status").textContent = text;
}
function showNoAnswer() {
  const sentence = document.createElement("p");
  sentence.setAttribute("role", "alert");
  sentence.textContent = "The console could not run the test. What you typed is still here. Try again.";
  say("");
  showRefusal(sentence);
  showPanel();
}
/* The result of the test before stays below the reason why this one was not run. */
function showRefusal(alert) {
  panel().querySelector(":scope > [role=alert]")?.remove();
  panel().querySelector(".card-head").after(alert);
}
function markOutdated() {
  document.querySelector("[data-outdated]")?.removeAttribute("hidden");
}
on("input", (event) => event.target.closest("form[data-dirty]") && markOutdated());

/* The errors of the page that the server sent, in this form. Returns whether there are any. */
function showProblems(form, page) {
  for (const old of all(".problems, .error", form)) old.remove();
  for (const input of all("[aria-describedby*='-error']", form)) {
    const others = input.getAttribute("aria-describedby").split(" ").filter((id) => !id.endsWith("-error"));
    if (others.length) input.setAttribute("aria-describedby", others.join(" "));
    else input.removeAttribute("aria-describedby");
    input.removeAttribute("aria-invalid");
  }
  for (const error of all("form[data-dirty] .error[id]", page)) {
    const input = document.getElementById(error.id.replace(/-error$/, ""));
    if (input) showError(input, error);
  }
  const summary = page.querySelector("form[data-dirty] .problems");
  if (!summary) return false;
  form.prepend(summary);
  summary.focus();
  return true;
}
function showError(input, error) {
  const field = input.closest(".field, fieldset");
  const heading = field.querySelector("legend, label:not(.check)");
  if (heading) heading.after(error);
  else field.prepend(error);
  for (const one of new Set([input, field.matches("fieldset") ? field : input])) {
    one.setAttribute("aria-describedby", `${error.id} ${one.getAttribute("aria-describedby") ?? ""}`.trim());
  }
  if (input.type !== "radio") input.setAttribute("aria-invalid", "true");
  const replace = field.querySelector("[value=replace]");
  if (replace) replace.checked = true;
  input.closest("details")?.setAttribute("open", "");
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
  on("submit", (event) => (leaving ||= event.target === form && !event.defaultPrevented));
  for (const link of all("[data-discard]")) link.addEventListener("click", () => (leaving = true));
  addEventListener("beforeunload", (event) => {
    if (!leaving && (wasSent || changes())) event.preventDefault();
  });
  // When the user goes back to this page, the browser restores the fields before this event.
  addEventListener("pageshow", () => {
    leaving = false;
    showChanges();
    for (const field of form.elements) if (isChanged(field)) field.closest("details.group")?.setAttribute("open", "");
  });
}

/* Keyboard shortcuts: not inside fields. Single keys can be switched off. */
const single = document.getElementById("single-keys");
if (single) {
  single.checked = localStorage.getItem("single-keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("single-keys", single.checked ? "on" : "off"));
}
on("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && form) {
    event.preventDefault();
    form.querySelector("[data-save]").click();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !single?.checked) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog")) return;
  if (event.key === "?") document.getElementById("keys").togglePopover();
  const target = /^[/n]$/.test(event.key) && document.querySelector(`[data-key="${event.key}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.matches("input")) target.focus();
  else target.click();
});
