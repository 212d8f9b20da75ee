"""Recognises common passwords: a well-known word or password, with digits and punctuation in it or around it."""

import re
from functools import cache

# Other languages and combinations than in the lists of zxcvbn.
MORE = """
motdepasse contrasena welcometo changemenow changemeplease pleasechangeme letmeinplease letmeinnow supersecret
superadmin superuser iloveyouforever correcthorsebatterystaple thisisapassword thisismypassword mypasswordis
yourpassword newpassword oldpassword temppassword temporarypassword onetimepassword qwertyuiopasdf
qwertyuiopasdfghjkl qwerasdfzxcv abcdefgh abcdefghijkl abcdefghijklm
agentconsole agentsconsole consoleagent
"""
SHORTEST = 4
INSTEAD_OF_LETTERS = str.maketrans("0134578@$!|", "oieastbasil")


def is_common(password: str) -> bool:
    """Whether a password is easy to guess: a well-known word with digits and punctuation, once or repeated."""
    folded = password.casefold()
    bare = re.sub(r"^[^a-z]+|[^a-z]+$", "", folded)
    words = {folded, _letters(folded), _letters(bare.translate(INSTEAD_OF_LETTERS))}
    is_monotonous = password.isdigit() or len(set(password)) < 5 or _repeated_part(password) != password
    return is_monotonous or any(_repeated_part(word) in _common() for word in words if len(word) >= SHORTEST)


@cache
def _common() -> frozenset[str]:
    # Common words, names and passwords. They take 20 MB of memory, and are needed only where a password is chosen.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(MORE.split()).union(*FREQUENCY_LISTS.values())


def _letters(text: str) -> str:
    return re.sub(r"[^a-z]", "", text)


def _repeated_part(text: str) -> str:
    # The part that the text repeats, or the text itself.
    return text[: (text + text).find(text, 1)]
