"""Rules of texts in PEM: certificate fields, private key fields, and private keys in other fields."""

import re
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agents_app.values.fields import Rule, refusal
from agents_app.values.pasted import without_invisible
from agents_app.values.text import clean_text, require_text

MOST = 32_000
# No line of a body can begin like a first or last line: a text with two readings would take very long to refuse.
BLOCK = r"-----BEGIN {label}-----\n((?!-----)[A-Za-z0-9+/=:,\- ]*\n)+-----END {label}-----\n*"
# Headers are not accepted here, as they could contain anything.
CERTIFICATES = re.compile(r"(-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n*)+")
ONE_KEY = re.compile("|".join(BLOCK.format(label=f"{kind}PRIVATE KEY") for kind in ("", "RSA ", "EC ", "ENCRYPTED ")))
ENCRYPTED = re.compile(r"BEGIN ENCRYPTED|\nProc-Type: 4,ENCRYPTED\n")
# From the first line to the last one, or to the end of the text if the last line is missing.
LABEL = r"[A-Z0-9\s]{0,40}PRIVATE\s{0,9}KEY[A-Z0-9\s]{0,40}-----"
ANY_KEY = re.compile(rf"-----BEGIN{LABEL}.*?(-----END{LABEL}\s*|\Z)", re.DOTALL)
EDGE = re.compile(r"-----(BEGIN|END) ([A-Z0-9 ]{1,60})-----")
HEADERS = re.compile(r"\s*Proc-Type: ?4, ?ENCRYPTED\s+DEK-Info: ?([A-Z0-9-]{1,40}),([0-9A-Fa-f]{1,64})\s")
# This block is in front of some keys, and repeats what the key contains.
PARAMETERS = "EC PARAMETERS"
LINE, LINE_MAX = 64, 76
NO_CERTIFICATE = "This is not a certificate, or it is damaged. Export the certificate as PEM again."
NO_KEY = "This is not a private key, or it is damaged. Export the private key as PEM again."
MORE_THAN_ONE = "Paste one private key only. This is more than one block."
PASTE = "Paste the whole text from -----BEGIN {0}----- to -----END {0}-----."


def certificates(key_belongs: str) -> Rule:
    """One or more certificates only. `key_belongs` is the refusal of a private key: it says where to paste it."""

    def check(value: object) -> str:
        text = _clean(value)
        if without_private_keys(text) != text:
            raise refusal(key_belongs)
        if not CERTIFICATES.fullmatch(text):
            raise refusal(NO_CERTIFICATE if _is_complete(text, "CERTIFICATE") else PASTE.format("CERTIFICATE"))
        try:
            x509.load_pem_x509_certificates(text.encode())
        except (ValueError, x509.InvalidVersion):
            raise refusal(NO_CERTIFICATE) from None
        return text

    return Rule(check, {"maxLength": MOST})


def private_key(certificate_belongs: str) -> Rule:
    """One private key only. `certificate_belongs` is the refusal of a certificate: it says where to paste it.

    An encrypted key cannot be checked further without its password.
    """

    def check(value: object) -> str:
        text = _clean(value)
        if "-----BEGIN CERTIFICATE-----" in text:
            raise refusal(certificate_belongs)
        if text.count("-----BEGIN ") > 1:
            raise refusal(MORE_THAN_ONE)
        if not ONE_KEY.fullmatch(text):
            raise refusal(NO_KEY if _is_complete(text, "PRIVATE KEY") else PASTE.format("PRIVATE KEY"))
        if not ENCRYPTED.search(text) and not _is_key(text):
            raise refusal(NO_KEY)
        return text

    return Rule(check, {"maxLength": MOST, "writeOnly": True})


def without_private_keys(value: Any) -> Any:
    """A value in JSON types without the private keys in PEM in its texts. It is equal if there are none."""
    if isinstance(value, dict):
        return {name: without_private_keys(member) for name, member in value.items()}
    if isinstance(value, list):
        return [without_private_keys(member) for member in value]
    if not isinstance(value, str):
        return value
    # Invisible characters are removed first, as the fields do, so that they cannot hide a key.
    seen = without_invisible(value)
    return ANY_KEY.sub("", seen) if ANY_KEY.search(seen) else value


def _clean(value: object) -> str:
    # A text from JSON or an environment file often has escaped line ends.
    text = re.sub(r"\\{1,4}n", "\n", re.sub(r"\\{1,4}r", "", require_text(value)))
    lines = [" ".join(without_invisible(line).split()) for line in text.split("\n")]
    clean = _blocks("\n".join(lines).strip())
    return clean_text(clean, most=MOST, one_line=False) + "\n"


def _blocks(text: str) -> str:
    """The blocks of a text with their line ends, without text between them. The text itself if one is not complete."""
    edges = list(EDGE.finditer(text))
    starts, ends = edges[::2], edges[1::2]
    pairs = list(zip(starts, ends, strict=False))
    is_whole = len(starts) == len(ends) > 0 and all(
        (start[1], end[1], start[2]) == ("BEGIN", "END", end[2]) for start, end in pairs
    )
    # Tools write text before a block, such as Bag Attributes. After the last block only quotes are ignored.
    if not is_whole or text[ends[-1].end() :].strip("\"'`,; \n"):
        return text
    kept = [(start, end) for start, end in pairs if start[2] != PARAMETERS]
    return "\n".join(f"{start[0]}\n{_body(text[start.end() : end.start()])}\n{end[0]}" for start, end in kept)


def _body(text: str) -> str:
    headers = HEADERS.match(text)
    base64 = text[headers.end() :] if headers else text
    lines = base64.split()
    if len(lines) == 1 or max(map(len, lines), default=0) > LINE_MAX or " " in base64.strip():
        whole = "".join(lines)
        lines = [whole[at : at + LINE] for at in range(0, len(whole), LINE)]
    if not headers:
        # Other headers are kept as they are.
        return text.strip() if ":" in text else "\n".join(lines)
    return "\n".join(["Proc-Type: 4,ENCRYPTED", f"DEK-Info: {headers[1]},{headers[2]}", "", *lines])


def _is_complete(text: str, label: str) -> bool:
    return text.startswith(f"-----BEGIN {label}-----") and text.rstrip().endswith(f"-----END {label}-----")


def _is_key(text: str) -> bool:
    try:
        # The check that its numbers are primes is skipped: it takes seconds for a long key.
        load_pem_private_key(text.encode(), None, unsafe_skip_rsa_key_validation=True)
    except UnsupportedAlgorithm:
        return True
    except (ValueError, TypeError):
        return False
    return True
