// Starts Swagger UI in the API reference. Nothing is sent to other servers, and a token is kept only in memory.
const place = document.getElementById("api");
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");

// Swagger UI is dark if the document has this class.
function followTheme() {
  const { theme } = document.documentElement.dataset;
  document.documentElement.classList.toggle("dark-mode", theme === "dark" || (theme === "system" && systemIsDark.matches));
}

// The layout of Swagger UI without its introduction and its main element: the page has both.
function pageLayout({ React }) {
  const ApiLayout = ({ getComponent, specSelectors }) => {
    const part = (name) => React.createElement(getComponent(name, true), { key: name });
    if (specSelectors.loadingStatus() === "loading") return React.createElement("p", { role: "status" }, "Loading…");
    const names = ["SvgAssets", "errors", "AuthorizeBtnContainer", "operations", "Models"];
    return React.createElement("div", { className: "swagger-ui" }, names.map(part));
  };
  return { components: { ApiLayout } };
}

// What screen readers and the keyboard miss in the elements of Swagger UI.
function mendElements() {
  for (const table of place.querySelectorAll("table[role=region]")) table.removeAttribute("role");
  for (const button of place.querySelectorAll(".close-modal:not([aria-label])")) button.setAttribute("aria-label", "Close dialog");
  for (const heading of place.querySelectorAll(".auth-container h6")) heading.ariaLevel = "5";
  for (const box of place.querySelectorAll("pre:not([tabindex])")) box.tabIndex = 0;
  for (const list of place.querySelectorAll(".examples-select-element:not([aria-label])")) list.setAttribute("aria-label", "Example");
  for (const text of place.querySelectorAll(".body-param__text:not([aria-label])")) text.setAttribute("aria-label", "Request body");
  for (const row of place.querySelectorAll("tr[data-param-name]")) {
    for (const input of row.querySelectorAll(":is(select, input, textarea):not([aria-label])")) {
      input.setAttribute("aria-label", row.dataset.paramName);
    }
  }
}

followTheme();
systemIsDark.addEventListener("change", followTheme);
// The buttons of the page change the theme without loading it again.
new MutationObserver(followTheme).observe(document.documentElement, { attributeFilter: ["data-theme"] });
new MutationObserver(mendElements).observe(place, { childList: true, subtree: true });
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  layout: "ApiLayout",
  presets: [SwaggerUIBundle.presets.apis],
  plugins: [pageLayout],
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: false,
  queryConfigEnabled: false,
});
