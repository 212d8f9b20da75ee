"""Certificates and private keys, which are made once per run."""

from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from textwrap import wrap

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID


@cache
def _key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(name: str = "case") -> str:
    """A self-signed certificate in PEM."""
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    moment = datetime.now(UTC)
    builder = x509.CertificateBuilder(who, who, _key().public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(moment).not_valid_after(moment + timedelta(days=2))
    return builder.sign(_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def certificate_for(*names: str) -> tuple[str, str]:
    """A self-signed server certificate for these host names and addresses, and its key, both in PEM."""
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    moment = datetime.now(UTC)
    builder = x509.CertificateBuilder(who, who, _key().public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(moment).not_valid_after(moment + timedelta(days=2))
    builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(name) for name in names]), critical=False)
    key = _key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return builder.sign(_key(), hashes.SHA256()).public_bytes(Encoding.PEM).decode(), key


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def certificate_of_no_version() -> str:
    """A certificate with a version that does not exist."""
    body = b64decode("".join(certificate().splitlines()[1:-1]))
    damaged = body.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    lines = wrap(b64encode(damaged).decode(), 64)
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


@cache
def private_key() -> str:
    """The private key of the certificate in PEM, not encrypted."""
    return _text(PrivateFormat.PKCS8, NoEncryption())


@cache
def keys() -> dict[str, str]:
    """The same key in every accepted format."""
    encrypted = BestAvailableEncryption(b"correct horse")
    return {
        "PKCS 8": private_key(),
        "encrypted PKCS 8": _text(PrivateFormat.PKCS8, encrypted),
        "EC": _text(PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        "encrypted EC": _text(PrivateFormat.TraditionalOpenSSL, encrypted),
    }


def _text(form: PrivateFormat, encryption: KeySerializationEncryption) -> str:
    return _key().private_bytes(Encoding.PEM, form, encryption).decode()
