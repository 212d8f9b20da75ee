"""How `.env` and the files that settings name are read."""

import stat
from pathlib import Path

UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def decode_file(file: Path) -> str:
    """The text of a file in UTF-8. Raises OSError, or ValueError if it is something else."""
    mode = file.stat().st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        # Every process reads the file again.
        raise ValueError("it is a pipe, which can be read only once")
    # A device such as /dev/null counts as an empty file.
    data = b"" if stat.S_ISCHR(mode) else file.read_bytes()
    if data.startswith(UTF_16) or b"\0" in data:
        raise ValueError("it is UTF-16. Save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8. Save it as UTF-8") from None


def reason_of(error: Exception) -> str:
    """Why a file cannot be read, for a sentence."""
    if isinstance(error, FileNotFoundError) and Path(error.filename).is_symlink():
        return "it is a link to a file that does not exist"
    return getattr(error, "strerror", None) or str(error)
