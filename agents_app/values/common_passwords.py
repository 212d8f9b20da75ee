"""Which passwords guessers try first: one well-known word or password, with digits and signs in it and around it."""

import re

from zxcvbn.frequency_lists import FREQUENCY_LISTS

# Words and names that are often used, and passwords that were; further languages and combinations are ours.
COMMON = frozenset(word for words in FREQUENCY_LISTS.values() for word in words) | frozenset(
    """
    motdepasse contrasena welcometo changemenow changemeplease pleasechangeme letmeinplease letmeinnow supersecret
    superadmin superuser iloveyouforever correcthorsebatterystaple thisisapassword thisismypassword mypasswordis
    yourpassword newpassword oldpassword temppassword temporarypassword onetimepassword qwertyuiopasdf
    qwertyuiopasdfghjkl qwerasdfzxcv abcdefgh abcdefghijkl abcdefghijklm
    agentconsole agentsconsole consoleagent
    """.split()
)
SHORTEST = 4
INSTEAD_OF_LETTERS = str.maketrans("0134578@$!|", "oieastbasil")


def is_common(password: str) -> bool:
    """Whether a guesser would try it early: a well-known word with digits and signs, once or again and again."""
    folded = password.casefold()
    bare = re.sub(r"^[^a-z]+|[^a-z]+$", "", folded)
    words = {folded, _letters(folded), _letters(bare.translate(INSTEAD_OF_LETTERS))}
    return any(_piece(word) in COMMON for word in words if len(word) >= SHORTEST) or _is_monotonous(password)


def _is_monotonous(password: str) -> bool:
    return password.isdigit() or len(set(password)) < 5 or _piece(password) != password


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text)


def _piece(text: str) -> str:
    # What a text is made of that says the same again and again; else the text itself.
    return text[: (text + text).find(text, 1)]
