"""Settings for signing in: each wrong one is named in one line, which says what is wrong and repeats no secret."""

from pathlib import Path

import pytest

from agents_app.config import Settings, load, load_with_errors
from agents_app.errors import ConfigurationError
from agents_app.values.choices import Role

CANARY = "canary5Xy8Qm1TtLw6"
TENANT = "8f2b1c3e-1111-4222-8333-944455556666"
HOST = "https://login.microsoftonline.com"
PROVIDER = {"OIDC_ISSUER": f"{HOST}/{TENANT}/v2.0", "OIDC_CLIENT_ID": "console", "OIDC_CLIENT_SECRET": CANARY}
WRONG_ISSUERS = {
    f"{HOST}/common/v2.0": "must name one tenant: with common, people of every organisation could ask to sign in.",
    f"{HOST}/organizations/v2.0": "must name one tenant: with organizations,",
    f"{HOST}/Consumers/v2.0": "must name one tenant: with consumers,",
    f"{HOST}/acme.onmicrosoft.com/v2.0": "must have the id of the tenant, which is a UUID, not a domain:",
    f"{HOST}/": "must have the id of the tenant, which is a UUID, not a domain:",
    f"{HOST}/{TENANT}": "must end with /v2.0:",
    f"{HOST}/{TENANT}/v1.0": "must end with /v2.0:",
    "https://login.microsoftonline.us/common/v2.0": "must name one tenant:",
    f"https://sts.windows.net/{TENANT}/": "is of version 1.0 of Entra ID. Use the issuer of version 2.0:",
    "https://acme.ciamlogin.com/acme/v2.0": "must have the id of the tenant,",
    f"{HOST}/{TENANT}/v2.0/.well-known/openid-configuration": "must be the issuer: the URL without /.well-known/",
    "https://id.example.org/realms/acme/.well-known/openid-configuration": "must be the issuer: the URL without",
    "http://id.example.org/realms/acme": "must begin with https://: the keys of the provider are read from there.",
    "https://id.example.org/?realm=acme": "must be the https URL of the provider, without ? and #,",
    "https://id.example.org/#acme": "must be the https URL of the provider,",
    "https://id.example.org/a b": "must be the https URL of the provider,",
    f"https://console:{CANARY}@id.example.org": "must be the https URL of the provider,",
    "id.example.org": "must be the https URL of the provider,",
    "acme": "must be the https URL of the provider,",
    "file:///etc/passwd": "must be the https URL of the provider,",
    "https://idé.example.org/ü": "must be the https URL of the provider,",
    "https://id.example.org/" + "a" * 500: "must be the https URL of the provider,",
}
NOT_A_ROLE = "has a part that is not VALUE=ROLE, with the role viewer, editor or admin: part {}. Write it as"
WRONG = [
    *(("OIDC_ISSUER", text, sentence) for text, sentence in WRONG_ISSUERS.items()),
    ("OIDC_CLIENT_ID", "my console", "must have at most 255 characters: ASCII, without spaces."),
    ("OIDC_CLIENT_SECRET", f"{CANARY} and more", "must have at most 1,000 characters: ASCII, without spaces."),
    ("OIDC_CLIENT_SECRET", f"{CANARY}…", "must have at most 1,000 characters: ASCII, without spaces."),
    ("OIDC_CLIENT_SECRET", TENANT, "is the id of a secret. Entra ID shows the value of a secret next to its id, once."),
    ("OIDC_ROLES_CLAIM", "roles,", "must be the name of a claim, such as roles, or several separated by commas."),
    ("OIDC_ROLES_CLAIM", "my roles", "must be the name of a claim,"),
    ("OIDC_ROLES_CLAIM", "roles, preferred_username", "has preferred_username, which people can change themselves"),
    ("OIDC_ROLES", "admin", NOT_A_ROLE.format(1)),
    ("OIDC_ROLES", "Console.Admin=admin, Console.Editor=writer", NOT_A_ROLE.format(2)),
    ("OIDC_ROLES", "Console.Admin=admin, =viewer", NOT_A_ROLE.format(2)),
    ("OIDC_ROLES", "Console.Admin=admin,", NOT_A_ROLE.format(2)),
    ("OIDC_ROLES", "Staff=admin, Staff=viewer", "gives two roles to one value: part 2."),
    ("OIDC_ACCOUNT", "a" * 256, "must be the name or the id of an account."),
    ("PASSWORD_SIGN_IN", "true", "must be on, off, or the email addresses of those who may use it,"),
    ("PASSWORD_SIGN_IN", "ann@example.org, ben", "must be on, off, or the email addresses"),
    ("PASSWORD_SIGN_IN", "off, ann@example.org", "must be on, off, or the email addresses"),
]


def settings_of(**texts: str) -> Settings:
    return load({**PROVIDER, **texts}, None)


@pytest.mark.parametrize(("name", "text", "sentence"), WRONG)
def test_a_wrong_setting_is_refused_with_what_is_wrong(name: str, text: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        settings_of(**{name: text})

    assert refusal.value.detail.startswith(f"{name} {sentence}")
    assert CANARY not in refusal.value.detail
    assert "\n" not in refusal.value.detail
    assert list(load_with_errors({**PROVIDER, name: text}, None)[1]) == [name]


@pytest.mark.parametrize("missing", PROVIDER)
def test_the_three_settings_of_a_provider_are_set_together(missing: str) -> None:
    given = {name: text for name, text in PROVIDER.items() if name != missing}

    wrong = load_with_errors(given, None)[1]

    assert wrong == {missing: f"{missing} is not set, and {next(iter(given))} is. Set both, or neither."}


@pytest.mark.parametrize("text", ["off", "ann@example.org"])
def test_passwords_stay_on_without_a_provider(text: str) -> None:
    with pytest.raises(ConfigurationError, match="PASSWORD_SIGN_IN must be on unless OIDC_ISSUER is set"):
        load({"PASSWORD_SIGN_IN": text}, None)


def test_a_wrong_issuer_causes_no_error_of_another_setting() -> None:
    texts = {**PROVIDER, "OIDC_ISSUER": "nonsense", "PASSWORD_SIGN_IN": "off"}

    assert list(load_with_errors(texts, None)[1]) == ["OIDC_ISSUER"]


def test_the_secret_is_in_no_text_of_the_settings() -> None:
    assert CANARY not in repr(settings_of())


def test_the_secret_can_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("value-of-the-secret\n")
    given = {**PROVIDER, "OIDC_CLIENT_SECRET": "", "OIDC_CLIENT_SECRET_FILE": str(tmp_path / "secret")}

    assert load(given, None).oidc_client_secret == "value-of-the-secret"
    with pytest.raises(ConfigurationError, match="OIDC_CLIENT_SECRET_FILE cannot be read"):
        load({**given, "OIDC_CLIENT_SECRET_FILE": str(tmp_path / "none")}, None)


@pytest.mark.parametrize(
    ("text", "issuer"),
    [
        (f"{HOST}/{TENANT}/v2.0", f"{HOST}/{TENANT}/v2.0"),
        (f"https://Login.MicrosoftOnline.com/{TENANT.upper()}/v2.0/", f"{HOST}/{TENANT}/v2.0"),
        ("https://id.example.org/realms/acme", "https://id.example.org/realms/acme"),
        ("https://acme.eu.auth0.com/", "https://acme.eu.auth0.com/"),
        ("https://accounts.google.com", "https://accounts.google.com"),
        ("http://127.0.0.1:8080/realms/acme", "http://127.0.0.1:8080/realms/acme"),
    ],
)
def test_an_issuer_is_kept_as_the_provider_writes_it(text: str, issuer: str) -> None:
    found = settings_of(OIDC_ISSUER=text).oidc_issuer

    assert found
    assert found.url == issuer
    assert found.configuration_url == f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    assert (found.tenant_id == TENANT) is ("microsoft" in issuer)


def test_values_with_commas_between_them_are_read() -> None:
    found = settings_of(
        OIDC_ROLES_CLAIM="realm_access.roles, https://example.org/roles",
        OIDC_ROLES="Console.Admin=admin , a=b=viewer",
        PASSWORD_SIGN_IN="ann@example.org, ben@example.org",
    )

    assert found.oidc_roles_claim == ("realm_access.roles", "https://example.org/roles")
    assert found.oidc_roles == {"Console.Admin": Role.ADMIN, "a=b": Role.VIEWER}
    assert (found.password_sign_in.is_on, len(found.password_sign_in.emails)) == (False, 2)


def test_without_settings_there_is_no_provider_and_everyone_has_a_password() -> None:
    found = load({}, None)

    assert (found.oidc_issuer, found.oidc_roles_claim, found.password_sign_in.is_on) == (None, ("roles",), True)
    assert found.oidc_roles == {"viewer": Role.VIEWER, "editor": Role.EDITOR, "admin": Role.ADMIN}
