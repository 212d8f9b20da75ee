"""The probe of a model, for each model provider."""
