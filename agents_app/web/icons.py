"""The icons: one SVG file that has them all, which pages refer to by name.

Pages are not compressed, so an icon that is drawn inside of each page would make the pages several times as large.
"""

from functools import cache, lru_cache
from importlib.resources import files
from io import BytesIO
from xml.etree import ElementTree as ET
from zipfile import ZipFile

from flask import Flask, request, url_for
from markupsafe import Markup

from agents_app import static_files
from agents_app.connections import TYPES
from agents_app.static_files import StaticFile

# The names of the icons that templates use (https://lucide.dev/icons). Connection types name their own.
NAMES = (
    "arrow-down",
    "arrow-left",
    "arrow-up",
    "ban",
    "book-open",
    "bot",
    "building-2",
    "chevron-left",
    "chevron-right",
    "chevrons-left",
    "chevrons-right",
    "chevrons-up-down",
    "circle",
    "circle-alert",
    "circle-check",
    "circle-x",
    "copy",
    "copy-check",
    "download",
    "ellipsis",
    "file-down",
    "file-up",
    "history",
    "key-round",
    "link",
    "list-filter",
    "lock",
    "log-out",
    "menu",
    "monitor",
    "moon",
    "pencil",
    "plug-zap",
    "plus",
    "power",
    "power-off",
    "search",
    "search-x",
    "server",
    "shield-alert",
    "sun",
    "trash-2",
    "triangle-alert",
    "undo-2",
    "user",
    "user-check",
    "user-cog",
    "user-plus",
    "user-x",
    "users",
    "x",
)
# The icon of a connection type that only a later release knows.
OF_UNKNOWN_TYPE = "plug"
ALL_NAMES = frozenset((*NAMES, OF_UNKNOWN_TYPE, *(declaration.icon for declaration in TYPES.values())))
PATH = "/static/icons.svg"
USUAL_SIZE = 16
NAMESPACE = "{http://www.w3.org/2000/svg}"


def init_app(app: Flask) -> None:
    """Serve the sprite."""
    app.add_url_rule(PATH, "icons", lambda: static_files.send(sprite()), provide_automatic_options=False)


def icon(name: str, size: int = USUAL_SIZE) -> Markup:
    """An icon, `size` pixels wide at the usual size of text. Visible or hidden text next to it says what it means."""
    return _icon(request.script_root, name, size)


# A page has dozens of icons, and few that differ. The URL of their file begins with the path of PUBLIC_URL.
@lru_cache(maxsize=512)
def _icon(_script_root: str, name: str, size: int) -> Markup:
    if name not in ALL_NAMES:
        raise LookupError(f"The file of icons has no {name!r}. Add the name to NAMES in agents_app/web/icons.py.")
    # The style sheet has the width of most.
    width = Markup(' width="{}rem"').format(f"{size / 16:g}".removeprefix("0")) if size != USUAL_SIZE else ""
    url = url_for("icons", v=sprite().fingerprint)
    return Markup('<svg class="icon"{} aria-hidden="true"><use href="{}#{}"/></svg>').format(width, url, name)


@cache
def sprite() -> StaticFile:
    """The file of all icons: each by its name, in the colour of the text next to it."""
    # Not with the function of the package: for each icon, it reads the list of all 2 500 from its archive.
    with ZipFile(BytesIO(files("lucide").joinpath("lucide.zip").read_bytes())) as archive:
        drawn = [_drawn(name, archive.read(f"{name}.svg")) for name in sorted(ALL_NAMES)]
    content = f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(drawn)}</svg>'
    return StaticFile(content.encode(), "image/svg+xml")


def _drawn(name: str, file: bytes) -> str:
    # The files of the package are no foreign data.
    drawing = ET.fromstring(file)  # noqa: S314
    for part in drawing.iter():
        part.tag = part.tag.removeprefix(NAMESPACE)
    drawing.attrib.update(id=name, width="100%", height="100%")
    return ET.tostring(drawing, encoding="unicode")
