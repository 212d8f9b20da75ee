"""Who the claims of an ID token are about. Whatever a claim contains, the answer is a sentence or a person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from agents_app.sign_on.errors import SignOnRefused
from agents_app.sign_on.person import NO_NAME, Person, read
from agents_app.values import issuers, limits

OTHERS = issuers.parse("https://id.example.org/realms/acme")
TENANT = "8f2b1c3e-1111-4222-8333-944455556666"
ENTRA = issuers.parse(f"https://login.microsoftonline.com/{TENANT}/v2.0")
OID = "0a1b2c3d-0000-4000-8000-000000000001"
ANN = {"sub": "ann-1", "name": "Ann", "email": "ann@example.org", "email_verified": True, "roles": ["admin"]}
ANN_OF_ENTRA = {"sub": "pairwise", "oid": OID, "tid": TENANT, "name": "Ann", "roles": ["admin"]}
ODD: list[Any] = [None, 0, 7, 1.5, float("nan"), 10**400, True, "", " ", "\0", "\ud800", "\u202e", [], [[]], {}]
ODD += [["a"] * 10_000, [None, 7, {"a": []}], {"a": {"b": ["c"]}}, "x" * 100_000, "a\u0301" * 1_000, "\u0301" * 1_000]


def person_of(changes: Mapping[str, Any] | None = None, roles_claims: tuple[str, ...] = ("roles",)) -> Person:
    return read({**ANN, **(changes or {})}, OTHERS, roles_claims)


def person_of_entra(changes: Mapping[str, Any] | None = None) -> Person:
    return read({**ANN_OF_ENTRA, **(changes or {})}, ENTRA, ("roles",))


@pytest.mark.parametrize("subject", [None, "", 7, ["ann-1"], "ann\0", "ann\n", "\ud800", "a" * 256])
def test_a_token_without_a_usable_subject_names_nobody(subject: Any) -> None:
    with pytest.raises(SignOnRefused, match="names nobody: it has no usable claim sub"):
        person_of({"sub": subject})
    with pytest.raises(SignOnRefused, match="names nobody: it has no usable claim oid"):
        person_of_entra({"oid": subject})


@pytest.mark.parametrize("tenant", [None, "", 7, [TENANT], TENANT.replace("8", "9"), "common", f"{TENANT} "])
def test_a_token_of_another_tenant_is_refused(tenant: Any) -> None:
    with pytest.raises(SignOnRefused, match="from another tenant than the one in OIDC_ISSUER"):
        person_of_entra({"tid": tenant})


@pytest.mark.parametrize("value", [None, False, "true", "True", 1, [True], {"a": 1}])
def test_an_address_is_verified_only_by_true_itself(value: Any) -> None:
    assert not person_of({"email_verified": value}).is_email_verified


@pytest.mark.parametrize("claims", [{}, {"email_verified": True}, {"xms_edov": False}, {"xms_edov": "0"}])
def test_an_address_of_entra_is_not_verified_unless_its_domain_is(claims: dict[str, Any]) -> None:
    assert not person_of_entra({"email": "ann@example.org", **claims}).is_email_verified


@pytest.mark.parametrize(
    "email",
    [
        *ODD,
        "ann",
        "@example.org",
        "Ann <ann@example.org>",
        "mailto:ann@example.org",
        "eve@example.net, ann@example.org",
        "ann@example.org\nbcc: eve@example.net",
        # Two other mailboxes, whose letters become those of ASCII where case is ignored.
        "\u212aim@example.org",
        "ann@stra\u1e9ee.example",
        "a" * 250 + "@example.org",
    ],
)
def test_what_is_not_an_address_as_the_console_stores_them_is_no_address(email: Any) -> None:
    found = person_of({"email": email})

    assert (found.email, found.is_email_verified) == (None, False)


@pytest.mark.parametrize("claim", ["email", "hd"])
def test_an_address_that_is_not_verified_gives_no_role(claim: str) -> None:
    claims = {"hd": "example.org", "email_verified": False}

    assert person_of(claims, (claim,)).role_values == ()
    assert person_of({**claims, "email_verified": True}, (claim,)).role_values == (({**ANN, **claims})[claim],)


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("name", ["name", "email", "roles", "auth_time", "session_expiry", "_claim_names", "hasgroups"])
def test_odd_values_of_a_claim_are_never_a_traceback(name: str, value: Any) -> None:
    for found in (person_of({name: value}, ("roles", "roles.a.b")), person_of_entra({name: value, "xms_edov": value})):
        assert found.subject in ("ann-1", OID)
        assert 1 <= len(found.name) <= limits.NAME
        assert all(isinstance(role, str) and "\0" not in role for role in found.role_values)


def test_a_name_keeps_nothing_that_breaks_a_line_or_turns_it_round() -> None:
    assert person_of({"name": " Ann\u202e\r\n\0Lovelace\ud800\u2028 "}).name == "Ann Lovelace"
    assert person_of({"name": "A" * 300}).name == "A" * 255


def test_without_a_name_the_next_best_is_shown() -> None:
    assert person_of({"name": None, "preferred_username": "ann"}).name == "ann"
    assert person_of({"name": "\u200b", "preferred_username": 7}).name == "ann@example.org"
    assert person_of({"name": "", "email": None}).name == NO_NAME


def test_people_of_entra_are_known_by_their_object_id_and_others_by_their_subject() -> None:
    assert (person_of_entra().issuer, person_of_entra().subject) == (ENTRA.url, OID)
    assert (person_of().issuer, person_of().subject) == (OTHERS.url, "ann-1")


@pytest.mark.parametrize("value", [True, 1, "1", "true"])
def test_an_address_of_entra_is_verified_where_its_tenant_owns_the_domain(value: Any) -> None:
    found = person_of_entra({"email": "Ann@Example.org", "xms_edov": value})

    assert (found.email, found.is_email_verified) == ("ann@example.org", True)


@pytest.mark.parametrize("email", ["root\u200b@example.org", "\uff52oot@example.org", "ro\u3164ot@example.org"])
def test_an_address_that_looks_like_another_one_is_not_taken(email: str) -> None:
    assert person_of({"email": email, "email_verified": True}).email is None


def test_an_address_outside_ascii_is_kept_as_it_is_stored() -> None:
    assert person_of({"email": "jürgen@bücher.example"}).email == "jürgen@bücher.example"


def test_roles_come_from_texts_and_lists_of_every_claim_that_is_named() -> None:
    claims = {"roles": ["admin", 7, None, "", ["nested"], "admin"], "role": "viewer"}

    assert person_of(claims, ("roles", "role", "missing")).role_values == ("admin", "viewer")


def test_a_claim_with_dots_is_found_by_its_name_and_then_by_its_path() -> None:
    realm = {"realm_access": {"roles": ["editor"]}}

    assert person_of(realm, ("realm_access.roles",)).role_values == ("editor",)
    assert person_of({**realm, "realm_access.roles": "viewer"}, ("realm_access.roles",)).role_values == ("viewer",)
    assert person_of({"https://example.org/roles": ["x"]}, ("https://example.org/roles",)).role_values == ("x",)


@pytest.mark.parametrize(
    "claims",
    [{"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}, {"hasgroups": True}],
)
def test_groups_that_entra_left_out_are_noticed(claims: dict[str, Any]) -> None:
    assert person_of_entra(claims).has_too_many_groups
    assert not person_of_entra().has_too_many_groups


def test_times_are_read_as_seconds_since_1970() -> None:
    found = person_of({"auth_time": 1_800_000_000, "session_expiry": 1_800_003_600.5})

    assert found.authenticated_at == datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    assert found.ends_at == datetime(2027, 1, 15, 9, 0, 0, 500_000, tzinfo=UTC)
    assert person_of().authenticated_at is None
