"""Finds what looks like a secret in public texts, for a warning. A sentence never repeats what was found.

All searches take time in proportion to the length of the text: no pattern reads on without a limit.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from agents_app.values.fields import escape_pointer
from agents_app.values.pasted import without_invisible
from agents_app.values.pem import LABEL
from agents_app.values.rules import UUID_TEXT
from agents_app.values.secret_patterns import PLACEHOLDER, name_of_key

# The fields whose members people name themselves. Such a name says what its value is.
NAMED_BY_PEOPLE = ("/labels",)
ADVICE = (
    "This field is not encrypted: everyone who can see the agent can read it. "
    + "Enter secrets only in the fields for secrets, such as API key."
)
PUBLIC_BLOCK = re.compile(
    r"-----BEGIN ((?:TRUSTED )?CERTIFICATE(?: REQUEST)?|(?:RSA )?PUBLIC KEY|X509 CRL)-----"
    + r"[A-Za-z0-9+/=\s]*-----END \1-----"
)
PRIVATE_BLOCK = re.compile(
    rf"-----BEGIN{LABEL}|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----|^PuTTY-User-Key-File-\d", re.M
)
# A line of base64. A sentence about such a block has none.
BLOCK_BODY, BODY_WITHIN = re.compile(r"[A-Za-z0-9+/=]{32}"), 400
URL_PASSWORD = re.compile(
    r"""(?:://[^\s/?\#@:\[]{0,200}:|jdbc:oracle:thin:[^\s/@:]{1,100}/)
    (?![0-9]{1,5}(?:[/?\#]|$)) (?P<value>[^\s@"<>]{1,200})@""",
    re.VERBOSE | re.IGNORECASE,
)
SIGNED_URL = re.compile(r"[?&]sig=[A-Za-z0-9%+/_-]{30}")
# A template in the place of a password: ${PASSWORD}, <password>, {{ password }}, %s, ****, or an ellipsis.
TEMPLATE = re.compile(r"[$<{%\[(*…]|\.\.\.|xxx|[A-Z_]+$")
PASSWORD = re.compile(
    r"""(?:pass(?:word|wd|phrase|code)|pwd|secret)["'`\])*]{0,3} \s{0,3} (?::=|=>|[:=]|\bis\b) \s{0,3} ["'`*]{0,3}
    (?=(?P<value>[^\s"'`,;&<>]{6,100}))""",
    re.VERBOSE | re.IGNORECASE,
)
PASSWORD_WORDS = ("pass", "pwd", "secret")
# Not passwords: types and functions, algorithms and other numbered terms, paths, and addresses for mail.
NO_PASSWORD = re.compile(
    r"""[\w.]+\(|[./~-]|\S+@\S+\.\S+$|(?:[a-z]+[-_])?(?:sha|md|scram|argon|bcrypt|pbkdf|base|utf|oauth|aes|rsa|hs|rs|iso|tls
    |n?(?:var)?char|int|level|version|page|step|row|line|col(?:umn)?|field|table|section|item|no|q|fy|v)[-_.]?(?:sha[-_]?)?
    [0-9]""",
    re.VERBOSE | re.IGNORECASE,
)
WORD_MIN = 16
LONG_WORD = re.compile(rf"[A-Za-z0-9+/_.~-]{{{WORD_MIN},}}+={{0,2}}")
KEYWORD = re.compile(r"pass(?:word|wd|phrase|code)|pwd|secret|token|key|credential|bearer|\bbasic\b", re.IGNORECASE)
BEFORE_KEYWORD = re.compile(
    r"(?:public|publishable|primary|foreign|partition|surrogate|unique|sort|cache|idempotency)[\s_-]?$", re.IGNORECASE
)
BETWEEN = re.compile(r"""s?["'`)\]*]{0,3}\s*(?::=|=>|->|[:=]|\bis\b|\bare\b)?\s*["'`(*]{0,3}""", re.IGNORECASE)
NO_SECRET_BETWEEN = re.compile(
    r"(?<![a-z])(?:ids?|uuid|guid|name|hash|(?:finger|thumb)print|checksum|digest|sha-?\d*|md5|etag|commit|revision)"
    + r"(?![a-z])|[.;]\s|\n",
    re.IGNORECASE,
)
HASH = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{96}|[0-9a-f]{128})", re.IGNORECASE)
NO_KEY = re.compile(r"(?:sha\d{1,3}-|AAAA[BCE][3-9]Nza|AAAAE2Vj)")
# How far before a word its keyword can be, how much of a word is read, and how long one that is not next to it must be.
LOOK_BACK, LOOK_AT, LONG = 40, 512, 20
PASSWORD_MIN, DISTINCT_MIN, CHANGES_MIN = 6, 8, 0.2
RUNS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")


def find_in_values(values: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    """What looks like a secret in a value in JSON types: the JSON pointer of each such text, and a sentence."""
    if isinstance(values, str):
        if sentence := find_in_text(values):
            yield pointer, sentence
        return
    if isinstance(values, list):
        for at, member in enumerate(values):
            yield from find_in_values(member, f"{pointer}/{at}")
    for name, member in values.items() if isinstance(values, Mapping) else ():
        is_named = pointer in NAMED_BY_PEOPLE and isinstance(member, str)
        if sentence := find_in_text(name, f"The name of a {'label' if is_named else 'member'}"):
            # The pointer of the member would repeat the secret.
            yield pointer, sentence
        elif is_named:
            if sentence := find_in_text(f"{name}: {member}", f"The label {name}"):
                yield f"{pointer}/{escape_pointer(name)}", sentence
        elif member:
            yield from find_in_values(member, f"{pointer}/{escape_pointer(name)}")


def find_in_text(text: str, called: str = "This text") -> str | None:
    """A sentence about what looks like a secret in a text, the first one of its kind. None if nothing does."""
    # The names of most members. No secret is so short, unless a word and a sign before it say what it is.
    if len(text) < WORD_MIN and text.isidentifier():
        return None
    # Of a certificate only the line ends are left, for the number of the line.
    bare = without_invisible(text)
    if "BEGIN" in bare:
        bare = PUBLIC_BLOCK.sub(lambda block: "\n" * block[0].count("\n"), bare)
    found = next(_findings(bare), None)
    if found is None:
        return None
    kind, at = found
    place = f"Line {bare.count(chr(10), 0, at) + 1}" if "\n" in bare.strip() else called
    return f"{place} contains what looks like {kind}. {ADVICE}"


def _findings(text: str) -> Iterator[tuple[str, int]]:
    """What each finding is called, and where it is."""
    # Most texts lack a sign that a pattern needs. To look for the sign costs less than the pattern.
    for block in PRIVATE_BLOCK.finditer(text) if "BEGIN" in text or "PuTTY" in text else ():
        if BLOCK_BODY.search(text, block.end(), block.end() + BODY_WITHIN):
            yield "a private key", block.start()
    for url in URL_PASSWORD.finditer(text) if "@" in text else ():
        if not TEMPLATE.match(url["value"]):
            yield "a password in a URL", url.start()
    if "sig=" in text and (signed := SIGNED_URL.search(text)):
        yield "a signed URL", signed.start()
    for word in LONG_WORD.finditer(text):
        if kind := name_of_key(word[0]) or _kind_by_keyword(text, word):
            yield kind, word.start()
    folded = text.casefold()
    for password in PASSWORD.finditer(text) if any(word in folded for word in PASSWORD_WORDS) else ():
        if _is_password(password["value"].rstrip(".,:!?)]}*")):
            yield "a password", password.start("value")


def _is_password(value: str) -> bool:
    is_mixed = re.search(r"[A-Za-z]", value) is not None and re.search(r"[0-9!@#$%^&*?]", value) is not None
    if len(value) < PASSWORD_MIN or not is_mixed:
        return False
    return not (TEMPLATE.match(value) or NO_PASSWORD.match(value) or PLACEHOLDER.search(value))


def _kind_by_keyword(text: str, word: re.Match[str]) -> str | None:
    """What a word is that looks random and has a keyword before it, such as "key"."""
    before = text[max(0, word.start() - LOOK_BACK) : word.start()]
    keyword = next(reversed(list(KEYWORD.finditer(before))), None)
    if keyword is None or not _is_random(word[0][:LOOK_AT]):
        return None
    between = before[keyword.end() :]
    is_next = BETWEEN.fullmatch(between) is not None
    if BEFORE_KEYWORD.search(before[: keyword.start()]) or (not is_next and NO_SECRET_BETWEEN.search(between)):
        return None
    if not is_next and (len(word[0]) < LONG or HASH.fullmatch(word[0])):
        return None
    return "a password" if keyword[0].lower().startswith(("pass", "pwd")) else "a key or token"


def _is_random(word: str) -> bool:
    """Whether letters, digits and cases change more often than in names, and it is neither a UUID nor a placeholder."""
    bare = UUID_TEXT.sub("", word).rstrip("=.")
    if len(bare) < DISTINCT_MIN * 2 or NO_KEY.match(bare) or PLACEHOLDER.search(bare):
        return False
    runs = [len(RUNS.findall(part)) - 1 for part in re.split(r"[^A-Za-z0-9]+", bare) if part]
    is_mixed = any(map(str.isdigit, bare)) and any(map(str.isalpha, bare))
    return is_mixed and len(set(bare)) >= DISTINCT_MIN and sum(runs) >= CHANGES_MIN * len(bare)
