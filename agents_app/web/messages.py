"""The message that the next page shows once."""

from flask import flash


def show_once(text: str, tone: str = "ok", name: str = "", **links: str) -> None:
    """Show a message on the next page: the name of what it is about, if there is one, then the text.

    `links` are the addresses of its buttons: `undo`, `show` and `changes`.
    """
    # The signature names texts only. Flask stores every value of JSON.
    flash({"text": text, "name": name, **links}, tone)  # type: ignore[arg-type]
