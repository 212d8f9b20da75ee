"""The terminal that a command was started at: what it cannot show is replaced, and what it sends must be text."""

import codecs
import io
import sys
from collections.abc import Sequence

NOT_TEXT = (
    "An argument of this command is not text in the encoding of the terminal ({encoding}). "
    + "Set the encoding that the terminal has, such as LC_ALL=C.UTF-8, or give values with --file."
)
# Click takes a stream in ASCII for a mistake and writes UTF-8 into it; under this name it writes ASCII.
PLAIN_ASCII = "console_ascii"


def prepare(arguments: Sequence[str]) -> None:
    """Make every later line printable, with ? for a character that the encoding lacks.

    Ends the process with one sentence where the command's arguments are no text.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=_encoding(stream), errors="replace")
    if any("\ud800" <= char <= "\udfff" for argument in arguments for char in argument):
        sys.exit(NOT_TEXT.format(encoding=sys.getfilesystemencoding()))


def _encoding(stream: io.TextIOWrapper) -> str:
    return PLAIN_ASCII if codecs.lookup(stream.encoding).name == "ascii" else stream.encoding


def _find(name: str) -> codecs.CodecInfo | None:
    if name != PLAIN_ASCII:
        return None
    ascii_codec = codecs.lookup("ascii")
    return codecs.CodecInfo(
        ascii_codec.encode,
        ascii_codec.decode,
        ascii_codec.streamreader,
        ascii_codec.streamwriter,
        ascii_codec.incrementalencoder,
        ascii_codec.incrementaldecoder,
        name=PLAIN_ASCII,
    )


codecs.register(_find)
