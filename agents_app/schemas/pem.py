"""Texts in PEM: what a certificate field and a private key field take, and private keys in the wrong place."""

import re
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agents_app.schemas.fields import Rule, refuse
from agents_app.schemas.rules import clean_text

MOST = 32_000
# No line of a body may begin like an edge: with two ways to read a text, a long one would take for ever to refuse.
BLOCK = r"-----BEGIN {label}-----\n((?!-----)[A-Za-z0-9+/=:,\- ]*\n)+-----END {label}-----\n*"
# Without headers, in which other things could stand.
CERTIFICATES = re.compile(r"(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n*)+")
ONE_KEY = re.compile("|".join(BLOCK.format(label=f"{kind}PRIVATE KEY") for kind in ("", "RSA ", "EC ", "ENCRYPTED ")))
ENCRYPTED = re.compile(r"BEGIN ENCRYPTED|\nProc-Type: 4,ENCRYPTED\n")
# From the first line to the last one, or to the end where the last one is missing.
LABEL = r"[A-Z0-9 ]{0,40}PRIVATE {1,9}KEY[A-Z0-9 ]{0,40}-----"
ANY_KEY = re.compile(rf"-----BEGIN {LABEL}.*?(-----END {LABEL}\s*|\Z)", re.DOTALL)
PASTE = "Paste the whole text from -----BEGIN {0}----- to -----END {0}-----."


def certificates(key_belongs: str) -> Rule:
    """Certificates and nothing else; `key_belongs` is the sentence that says where a private key belongs instead."""

    def check(value: object) -> str:
        text = _clean(value)
        if without_private_keys(text) != text:
            raise refuse(key_belongs)
        if not CERTIFICATES.fullmatch(text):
            raise refuse(PASTE.format("CERTIFICATE"))
        try:
            x509.load_pem_x509_certificates(text.encode())
        except (ValueError, x509.InvalidVersion):
            raise refuse("This is damaged or no certificate. Export the certificate as PEM again.") from None
        return text

    return Rule(check, {"maxLength": MOST})


def private_key(certificate_belongs: str) -> Rule:
    """One private key and nothing else; the sentence says where a certificate belongs instead.

    Whether an encrypted one is whole cannot be seen without its password.
    """

    def check(value: object) -> str:
        text = _clean(value)
        if "-----BEGIN CERTIFICATE-----" in text:
            raise refuse(certificate_belongs)
        if not ONE_KEY.fullmatch(text):
            raise refuse(PASTE.format("PRIVATE KEY"))
        if not ENCRYPTED.search(text) and not _is_key(text):
            raise refuse("This is damaged or no private key. Export the private key as PEM again.")
        return text

    return Rule(check, {"maxLength": MOST, "writeOnly": True})


def without_private_keys(value: Any) -> Any:
    """A value in JSON's types without the private keys in PEM that its texts hold; equal to it where there are none."""
    if isinstance(value, dict):
        return {name: without_private_keys(member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_private_keys(member) for member in value]
    return ANY_KEY.sub("", value) if isinstance(value, str) else value


def _clean(value: object) -> str:
    text = clean_text(value, most=MOST, one_line=False)
    # A text that comes out of JSON or an environment file often has its line ends written out.
    text = text.replace("\\r", "").replace("\\n", "\n")
    return "\n".join(part.strip() for part in text.split("\n")).strip() + "\n"


def _is_key(text: str) -> bool:
    try:
        # Whether its numbers are primes is not asked: that takes seconds for a long key.
        load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        return True
    except (ValueError, TypeError):
        return False
    return True
