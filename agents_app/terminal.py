"""The encoding of the terminal: characters that it cannot show are replaced, and arguments must be valid text."""

import codecs
import io
import sys
from collections.abc import Sequence

INVALID_ARGUMENT = (
    "An argument of this command is not valid in the encoding {encoding}. "
    + "Set the encoding of your terminal, such as LC_ALL=C.UTF-8, or give values with --file."
)
# Click writes UTF-8 to a stream in ASCII, because it takes ASCII for a mistake. It does not know this name.
ASCII_ALIAS = "console_ascii"


def replace_unprintable() -> None:
    """Print ? for every character that the encoding of the terminal does not have."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=_encoding(stream), errors="replace")


def require_valid(arguments: Sequence[str]) -> None:
    """End the process with a sentence if an argument is not valid text."""
    if any("\ud800" <= char <= "\udfff" for argument in arguments for char in argument):
        sys.exit(INVALID_ARGUMENT.format(encoding=sys.getfilesystemencoding()))


def _encoding(stream: io.TextIOWrapper) -> str:
    return ASCII_ALIAS if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding


def _find_ascii_alias(name: str) -> codecs.CodecInfo | None:
    if name != ASCII_ALIAS:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_codec.encode,
        ascii_codec.decode,
        ascii_codec.streamreader,
        ascii_codec.streamwriter,
        ascii_codec.incrementalencoder,
        ascii_codec.incrementaldecoder,
        name=ASCII_ALIAS,
    )


codecs.register(_find_ascii_alias)
