"""The credential of a service principal, in the form that msal takes. Faults of a certificate are found here."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from agents_app.probes.recorder import ProbeFailed


def read_credential(values: Mapping[str, Any]) -> str | dict[str, str]:
    """The client secret, or the certificate and its key. Without a thumbprint, msal uses SHA-256."""
    if values.get("auth_method") != "certificate":
        return _require(values, "client_secret")
    certificate, key = _require(values, "certificate_pem"), _require(values, "private_key_pem")
    return _check(certificate, key, values.get("private_key_password"))


def _require(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not value:
        raise ProbeFailed("entra_credential_missing")
    return str(value)


def _check(certificates_pem: str, key_pem: str, password: str | None) -> dict[str, str]:
    """Check what Entra would refuse. The certificate is that of the key, and the key is without its encryption."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    try:
        key = load_pem_private_key(key_pem.encode(), password.encode() if password else None)
        certificates = x509.load_pem_x509_certificates(certificates_pem.encode())
    except (ValueError, TypeError):
        # A TypeError is a password for a key without encryption, or none for a key with it.
        raise ProbeFailed("entra_key_unreadable") from None
    if not isinstance(key, RSAPrivateKey):
        raise ProbeFailed("entra_key_not_rsa")
    own = next((each for each in certificates if each.public_key() == key.public_key()), None)
    if own is None:
        raise ProbeFailed("entra_key_of_another_certificate")
    if not own.not_valid_before_utc <= datetime.now(UTC) < own.not_valid_after_utc:
        raise ProbeFailed("entra_certificate_expired")
    plain_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {"private_key": plain_key.decode(), "public_certificate": own.public_bytes(Encoding.PEM).decode()}
