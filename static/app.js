/* Comforts. Each stands alone, and every page works without any of them. */
"use strict";
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const on = (type, act, options) => document.addEventListener(type, act, options);
root.classList.add("js");

/* Times in the reader's zone. */
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
for (const time of all("time[data-at]")) time.dataset.at = `${exact.format(new Date(time.dateTime))} (${zone})`;
for (const place of all("[data-zone]")) place.textContent = zone;

/* A status that is there from the start is not read aloud; one that arrives is. */
for (const flash of all(".flash[role=status]")) {
  const parts = [...flash.childNodes];
  flash.replaceChildren();
  setTimeout(() => flash.append(...parts), 50);
}

/* Copy, dismiss. */
async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const says = button.querySelector("[data-says]");
  try {
    await navigator.clipboard.writeText(source.value ?? source.textContent);
    says.textContent = "Copied";
  } catch {
    source.select?.();
    says.textContent = "Press Ctrl C";
  }
  says.setAttribute("role", "status");
  setTimeout(() => (says.textContent = "Copy"), 3000);
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

/* Menus close on Escape and on a click elsewhere. */
on("click", (event) => {
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
on("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});

/* Questions: the page behind the link, as a dialog. */
on("click", async (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    const page = await (await fetch(link.href)).text();
    ask(new DOMParser().parseFromString(page, "text/html").querySelector("[data-dialog-content]"), link);
  } catch {
    location = link.href;
  }
});
function ask(content, link) {
  const heading = document.createElement("h2");
  const old = content.querySelector("h1");
  heading.id = old.id;
  heading.textContent = old.textContent;
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
  count(dialog);
}

/* Lengths: count, then tell. Nothing is cut off. */
function count(within) {
  for (const place of all("[data-count]", within)) {
    const input = document.getElementById(place.dataset.count);
    const most = Number(place.dataset.most);
    const tell = () => {
      const length = [...input.value].length;
      place.textContent = `${length.toLocaleString("en")} of ${most.toLocaleString("en")} characters`;
      place.classList.toggle("over", length > most);
    };
    input.addEventListener("input", tell);
    addEventListener("pageshow", tell);
    tell();
  }
}
count(document);

/* Unsaved changes: how many, and a question before they are lost. */
const form = document.querySelector("form[data-dirty]");
let leaving = false;
if (form) {
  const wasSent = "isDirty" in form.dataset;
  const isChanged = (field) => {
    if (/^(checkbox|radio)$/.test(field.type)) return field.checked !== field.defaultChecked;
    if (!field.options) return field.value !== field.defaultValue;
    const usual = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(usual, 0);
  };
  // Of a group of radio buttons the one now chosen counts, and a secret by its act.
  const counts = (field) => field.name && !field.closest(".replacement") && (field.type !== "radio" || field.checked);
  const changes = () => [...form.elements].filter((field) => counts(field) && isChanged(field)).length;
  const tell = () => {
    const number = changes();
    form.querySelector(".unsaved").textContent = wasSent ? "Not saved yet" : number ? `${number} unsaved change${number > 1 ? "s" : ""}` : "";
  };
  form.addEventListener("input", tell);
  form.addEventListener("submit", () => (leaving = true));
  for (const link of all("[data-discard]")) link.addEventListener("click", () => (leaving = true));
  addEventListener("beforeunload", (event) => {
    if (!leaving && (wasSent || changes())) event.preventDefault();
  });
  // Only then has the browser put back what was typed before a way back.
  addEventListener("pageshow", () => {
    leaving = false;
    tell();
  });
}

/* Keys: none inside fields, and the single ones can be switched off. */
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
