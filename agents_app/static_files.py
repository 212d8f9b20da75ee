"""Static files: read and compressed once. Browsers cache them for a year if the URL has the fingerprint of the content.

Pages are never compressed: the size of a compressed page would tell about its CSRF value. Static files have no secrets.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from flask import Flask, Response, request
from werkzeug.exceptions import NotFound
from werkzeug.security import safe_join

MIME_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# A file system fails for a longer name than 255 bytes, which are four for some characters.
NAME_MAX = 60
YEAR_S = 365 * 24 * 60 * 60
# The parameter of a URL that has the fingerprint.
FINGERPRINT = "v"


@dataclass(frozen=True)
class StaticFile:
    """The content of a file, in the two codings in which it is sent."""

    content: bytes
    mime_type: str

    @cached_property
    def fingerprint(self) -> str:
        """A text that changes with the content."""
        return hashlib.sha256(self.content).hexdigest()[:10]

    @cached_property
    def compressed(self) -> bytes:
        """The content, compressed when it is first asked for."""
        return gzip.compress(self.content, mtime=0)


def init_app(app: Flask, folder: Path) -> None:
    """Serve the files of this folder below /static/."""

    def static(filename: str) -> Response:
        return send(read_below(folder, filename))

    app.add_url_rule("/static/<path:filename>", "static", static, provide_automatic_options=False)


def read_below(folder: Path, name: str) -> StaticFile:
    """A file of this folder, as it is now. Raises NotFound, also for another spelling of its name."""
    path = Path(safe_join(str(folder), name) or folder)
    if len(name) > NAME_MAX or path.suffix not in MIME_TYPES or path.relative_to(folder).as_posix() != name:
        raise NotFound
    if not path.is_file():
        raise NotFound
    return read_own(path)


def read_own(path: Path) -> StaticFile:
    """A file whose path no client has sent, as it is now."""
    return _read(path, path.stat().st_mtime_ns)


def send(file: StaticFile, *, may_be_cached: bool = True) -> Response:
    """The file as the client can read it, or a 304 without a body if the client has it."""
    is_compressed = request.accept_encodings.quality("gzip") > 0
    response = Response(file.compressed if is_compressed else file.content, mimetype=file.mime_type)
    response.set_etag(f"{file.fingerprint}-gzip" if is_compressed else file.fingerprint)
    response.vary.add("Accept-Encoding")
    if is_compressed:
        response.content_encoding = "gzip"
    # An old page can ask for the file of an earlier release: its answer is of this release, and must not be kept.
    is_exact = may_be_cached and request.args.get(FINGERPRINT) == file.fingerprint
    response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable" if is_exact else "no-cache"
    response.make_conditional(request)
    return response


@lru_cache(maxsize=32)
def _read(path: Path, _changed_at: int) -> StaticFile:
    return StaticFile(path.read_bytes(), MIME_TYPES[path.suffix])
