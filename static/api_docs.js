// Starts Swagger UI on the page of the JSON API. Nothing is sent to other servers, and a token is kept only in memory.
const place = document.getElementById("api");
SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  layout: "BaseLayout",
  presets: [SwaggerUIBundle.presets.apis],
  validatorUrl: null,
  persistAuthorization: false,
  deepLinking: false,
  queryConfigEnabled: false,
});
