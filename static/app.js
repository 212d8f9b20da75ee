/* Enhancements. Each works without the others, and every page works without any of them. */
"use strict";
const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const on = (type, act, options) => document.addEventListener(type, act, options);
root.classList.add("js");

/* Says a sentence to screen readers. */
const announcer = document.createElement("p");
announcer.className = "hidden";
announcer.setAttribute("role", "status");
document.querySelector("main")?.append(announcer);
const announce = (text) => (announcer.textContent = text);

/* Times in the time zone of the browser. */
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
/* As the server writes them: 26 Nov 2026, 22:17. Browsers write "Sept" here. */
const parts = { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const exact = new Intl.DateTimeFormat("en-GB", parts);
function localiseTimes(within) {
  for (const at of all("time .at, time.at", within)) at.textContent = ` ${exact.format(new Date(at.closest("time").dateTime)).replace("Sept", "Sep")} ${zone}`;
}
localiseTimes(document);
for (const place of all("[data-zone]")) place.textContent = zone;

/* Screen readers read a status when it is added, not when the page has it from the start. */
for (const flash of all(".flash[role=status]")) {
  if (flash.matches(".shell .ok")) removeLater(flash);
  const parts = [...flash.childNodes];
  flash.replaceChildren();
  setTimeout(() => flash.append(...parts), 50);
}
/* A success goes away: after a minute where it has a link or a button. Not while it is pointed at or has the focus. */
function removeLater(flash) {
  const delay = flash.querySelector("a, form") ? 60_000 : 8_000 + 80 * flash.textContent.length;
  const wait = () => setTimeout(() => (document.hidden || flash.matches(":hover, :focus-within") ? wait() : flash.remove()), delay);
  wait();
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

/* Confirmations: the page of the link, as a dialog. It opens at once, and is filled when the page has arrived. */
on("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openDialog(link);
});
async function openDialog(link) {
  const dialog = document.createElement("dialog");
  const loading = new AbortController();
  const menu = link.closest("details");
  if (menu) menu.open = false;
  dialog.setAttribute("aria-labelledby", "dialog-heading");
  dialog.append(document.getElementById("loading").content.cloneNode(true));
  dialog.querySelector("h2").textContent = link.textContent.replace("…", "").replace(/\s+/g, " ").trim();
  dialog.addEventListener("close", () => {
    loading.abort();
    dialog.remove();
    (menu?.querySelector("summary") ?? link).focus();
  });
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog && !event.target.closest("[data-close]")) return;
    event.preventDefault();
    dialog.close();
  });
  document.body.append(dialog);
  dialog.querySelector("h2").id = "dialog-heading";
  dialog.showModal();
  try {
    const answer = await fetch(link.href, { signal: loading.signal });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    fillDialog(dialog, page.querySelector("[data-dialog-content]"));
  } catch {
    // The console did not answer with a confirmation: the page of the link says why.
    if (!loading.signal.aborted) location = link.href;
  }
}
/* The heading and the text keep their elements, so that screen readers read the new text. */
function fillDialog(dialog, content) {
  const [heading, text, actions] = dialog.firstElementChild.children;
  const [title, consequence, ...others] = content.children;
  heading.replaceChildren(...title.childNodes);
  text.replaceChildren(...consequence.childNodes);
  actions.replaceWith(...others);
  (dialog.querySelector("[autofocus]") ?? dialog.querySelector("[data-close]")).focus();
  countLengths(dialog);
}

/* A notice before the session ends. The page says how many seconds are left; other tabs share what the server said last. */
const sessionNotice = document.querySelector(".session-notice");
if (sessionNotice) {
  const { url, idle, whole } = sessionNotice.dataset;
  const key = `session ${url}`;
  const lead = Math.min(5 * 60, idle / 2);
  // Only what the server said is stored: an empty value would mean 0 to every other tab.
  const store = (...seconds) => {
    const isKnown = seconds.every((count) => /^\d+$/.test(count));
    if (isKnown) localStorage.setItem(key, JSON.stringify(seconds.map((count) => Date.now() + count * 1_000)));
  };
  const sentence = document.createElement("p");
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "button small", textContent: "Stay signed in" });
  // Without a session, the page itself leads to signing in and back.
  const signIn = document.createElement("a");
  Object.assign(signIn, { href: location.href, className: "button small", textContent: "Sign in" });
  const show = (text, ...others) => {
    const hadFocus = sessionNotice.contains(document.activeElement);
    if (sentence.textContent !== text) sentence.textContent = text;
    sessionNotice.replaceChildren(...(text ? [sentence, ...others] : []));
    if (hadFocus && !others.includes(button)) document.getElementById("main").focus({ preventScroll: true });
  };
  const check = () => {
    const ends = JSON.parse(localStorage.getItem(key));
    if (!ends) return show("");
    const [idleLeft, wholeLeft] = ends.map((end) => (end - Date.now()) / 1_000);
    const left = Math.min(idleLeft, wholeLeft);
    const minutes = Math.ceil(left / 60);
    const time = `${minutes} minute${minutes > 1 ? "s" : ""}`;
    if (left > lead) show("");
    else if (left <= 0) show("Your session has ended. A form that you send now is kept, except secrets.", signIn);
    else if (wholeLeft < idleLeft + 1) show(`Your session ends in ${time} and cannot be extended. Save your work and sign in again.`);
    else show(`You will be signed out in ${time}, because you did not load or save anything.`, button);
  };
  button.addEventListener("click", async () => {
    const body = new URLSearchParams({ csrf_token: document.querySelector("[name=csrf_token]").value });
    const answer = await fetch(url, { method: "POST", body, redirect: "manual" }).catch(() => null);
    if (!answer) return show("The console did not answer. Try again.", button);
    const seconds = answer.ok ? await answer.json() : { idle: 0, whole: 0 };
    store(seconds.idle, seconds.whole);
    check();
    if (answer.ok && !sessionNotice.hasChildNodes()) show("You stay signed in.");
  });
  store(idle, whole);
  check();
  setInterval(check, 10_000);
  on("visibilitychange", check);
  // A page that another tab has loaded.
  addEventListener("storage", (event) => event.key === key && check());
}

/* Keyboard shortcuts: not inside fields. Single keys can be switched off. */
const keys = document.getElementById("keys");
// The browser gives the focus back when the list is closed.
keys?.addEventListener("toggle", (event) => event.newState === "open" && keys.focus());
const single = document.getElementById("single-keys");
if (single) {
  single.checked = localStorage.getItem("single-keys") !== "off";
  single.addEventListener("change", () => localStorage.setItem("single-keys", single.checked ? "on" : "off"));
}
on("keydown", (event) => {
  const save = document.querySelector("[data-save]");
  if ((event.ctrlKey || event.metaKey) && event.key === "s" && save) {
    event.preventDefault();
    save.click();
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !single?.checked) return;
  if (event.target.closest("input:not([type=checkbox], [type=radio]), textarea, select, dialog")) return;
  if (event.key === "?") keys.togglePopover();
  const target = /^[/n]$/.test(event.key) && document.querySelector(`[data-key="${event.key}"]`);
  if (!target) return;
  event.preventDefault();
  if (target.matches("input")) target.focus();
  else target.click();
});
