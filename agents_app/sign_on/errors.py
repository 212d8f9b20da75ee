"""Why a sign-in through the provider fails."""

from agents_app.errors import ConsoleError, Unavailable


class ProviderUnavailable(Unavailable):
    """The provider does not answer, or not as a provider does. People can try again. `do` is for the operator."""

    code = "provider_unavailable"
    retry_after = 30

    def __init__(self, detail: str, *, do: str | None = None) -> None:
        super().__init__(detail)
        self.do = do or "Open the discovery document of OIDC_ISSUER from this server: docs/sign-on.md"


class SignOnRefused(ConsoleError):
    """The answer of the provider does not establish who signs in. `code` says which check failed, for the log."""

    code = "sign_on_refused"
