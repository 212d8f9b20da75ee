"""The client of OpenID Connect: it knows the protocol and the provider, not people, pages or the database."""
