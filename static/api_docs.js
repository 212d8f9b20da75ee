// Starts Swagger UI on the page of the API. Nothing is sent to anybody else, and a token is kept in memory only.
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
