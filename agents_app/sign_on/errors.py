"""Why a sign-in through the provider fails."""

from agents_app.errors import ConsoleError, Unavailable


class ProviderUnavailable(Unavailable):
    """The provider does not answer, or not as a provider does. People can try again."""

    code = "provider_unavailable"
    retry_after = 30


class SignOnRefused(ConsoleError):
    """The answer of the provider does not establish who signs in. `code` says which check failed, for the log."""

    code = "sign_on_refused"
