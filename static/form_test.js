/* The button Test of the form of an agent: the form is tested without leaving the page. */
"use strict";

/* Buttons that test an agent say so while the test runs. */
let leavesToTest = false;
let endTest = null;
on("submit", (event) => {
  const button = event.submitter;
  if (!button?.matches("[data-tests]") || working.has(event.target)) return;
  if (endTest && button.value === "test") return event.preventDefault();
  showRunning();
  if (button.value !== "test" || leavesToTest) return;
  event.preventDefault();
  testForm(button);
});
const panel = () => document.getElementById("test-result");
function showRunning() {
  hideRunning();
  const sentence = document.createElement("p");
  sentence.className = "running none";
  sentence.textContent = "Testing… (up to 10 seconds)";
  panel().querySelector(".card-head").after(sentence);
}
function hideRunning() {
  document.querySelector("#test-result > .running")?.remove();
}
addEventListener("pageshow", () => {
  leavesToTest = false;
  hideRunning();
});

/* The form is tested without leaving the page: what was typed stays, secrets too. Nothing is stored in the browser. */
async function testForm(button) {
  const values = () => new URLSearchParams(new FormData(button.form, button));
  const sent = values();
  endTest = startBusy(button);
  const answer = await fetch(button.form.action, { method: "POST", body: sent }).catch(() => null);
  const page = new DOMParser().parseFromString((await answer?.text().catch(() => "")) ?? "", "text/html");
  const result = page.getElementById("test-result");
  endTest();
  endTest = null;
  hideRunning();
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
