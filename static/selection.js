/* Ticked agents of a list. They stay ticked while one goes through its pages, until something is done with them. */
"use strict";
const bulk = document.getElementById("bulk");
const TICKED = "ticked";
/* What is done at once: the buttons that ask first keep the selection, so that one can return to the list. */
on("submit", (event) => {
  const { value, dataset } = event.submitter ?? {};
  const ids = new FormData(event.target).getAll("ids").join(" ").trim().split(/\s+/);
  const isDone = event.target.elements.confirmed || value === "enable" || (value === "test" && ids.length <= dataset.most);
  if (event.target.matches("[action*='/agents/bulk']") && isDone) sessionStorage.removeItem(TICKED);
});
if (bulk) {
  const boxes = all("tbody [name=ids]", bulk);
  const everyBox = document.getElementById("tick-all");
  const others = document.createElement("input");
  Object.assign(others, { type: "hidden", name: "ids" });
  bulk.append(others);
  /* The list without its search, order and page: a search finds further agents to tick. */
  const list = new URLSearchParams(location.search);
  for (const name of ["q", "cursor", "before", "limit", "sort"]) list.delete(name);
  const stored = JSON.parse(sessionStorage.getItem(TICKED) ?? "{}");
  const onOtherPages = new Set(stored.list === `${list}` ? stored.ids : []);
  let last = null;
  for (const box of boxes) box.checked = onOtherPages.delete(box.value) || box.checked;
  const show = () => {
    const here = boxes.filter((box) => box.checked);
    const ids = [...onOtherPages, ...here.map((box) => box.value)];
    others.value = [...onOtherPages].join(" ");
    bulk.classList.toggle("has-others", onOtherPages.size > 0);
    bulk.querySelector(".ticked").textContent = ids.length;
    everyBox.checked = here.length === boxes.length;
    everyBox.indeterminate = here.length > 0 && !everyBox.checked;
    sessionStorage.setItem(TICKED, JSON.stringify({ list: `${list}`, ids }));
    return ids.length;
  };
  const tell = () => announce(`${show()} selected`);
  bulk.addEventListener("change", (event) => {
    if (event.target === everyBox) for (const box of boxes) box.checked = everyBox.checked;
    tell();
  });
  /* Enter on a box presses the first button of its form. */
  bulk.addEventListener("keydown", (event) => event.key === "Enter" && event.target.matches("[type=checkbox]") && event.preventDefault());
  /* With Shift, all between this box and the last one. */
  bulk.addEventListener("click", (event) => {
    const at = boxes.indexOf(event.target);
    if (at < 0) return;
    if (event.shiftKey && last !== null) for (const box of boxes.slice(Math.min(at, last), Math.max(at, last))) box.checked = event.target.checked;
    last = at;
  });
  bulk.addEventListener("reset", () => {
    onOtherPages.clear();
    // After the browser has cleared the boxes.
    setTimeout(tell);
    everyBox.focus();
  });
  show();
  // The browser has ticked boxes again when one goes back.
  addEventListener("pageshow", show);
}
