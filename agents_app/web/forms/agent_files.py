"""The form that imports a file of agents, and what of a file a page may show again."""

from werkzeug.datastructures import FileStorage

from agents_app.errors import Malformed, TooLarge
from agents_app.paths import COMMAND
from agents_app.schemas import agent_files as schema
from agents_app.schemas import shown_files
from agents_app.schemas.agent_files import AgentFile
from agents_app.values import limits
from agents_app.values.secret_scanner import find_in_text
from agents_app.web.forms.base import ConsoleForm, FormData
from agents_app.web.forms.choice_inputs import Checkbox
from agents_app.web.forms.inputs import SPAN_WHOLE, Input, Spec, Text, TextArea
from agents_app.web.forms.notes import note_input
from agents_app.wording import number_text

MEGABYTES = number_text(limits.FILE_BODY_BYTES // 1_000_000)
UPLOAD_HINT = f"JSON or YAML, at most {MEGABYTES} MB. For larger files: {COMMAND} agents apply."
NOTHING = "Choose a file, or paste its text below."
BOTH = "Choose a file or paste a text, not both."
NOT_KEPT = "This page does not show the text again. Correct it where you have it, then paste it again."


class Upload(Input):
    """A file that is chosen. The page does not show it again."""

    kind = "file"

    @property
    def is_given(self) -> bool:
        """No operation gets it: `ImportForm.read` reads the file."""
        return False


class ImportForm(ConsoleForm):
    """A file of agents, to plan and to apply."""

    save_label = "Apply"

    upload = Upload(Spec("File", UPLOAD_HINT, span=SPAN_WHOLE))
    text = TextArea(Spec("Text of a file", is_optional=True, span=SPAN_WHOLE, rows=10, is_mono=True))
    prune = Checkbox(
        Spec(
            "Delete agents that are missing in the file",
            "The plan names them, and nothing is deleted before you confirm their number.",
            span=SPAN_WHOLE,
        )
    )
    note = note_input()
    deletions = Text(Spec("Number of agents to delete", "Type the number to confirm it.", width=6))

    def __init__(self, formdata: FormData | None = None, upload: FileStorage | None = None) -> None:
        super().__init__(formdata)
        self.file: AgentFile | None = None
        # Browsers send an empty file without a name where none was chosen.
        self._uploaded = upload.stream.read() if upload and upload.filename else None

    def read(self) -> AgentFile | None:
        """The file. None if nothing was sent or it cannot be read; then the form has an error."""
        field = self.text if self._uploaded is None else self.upload
        body = self.text.text.encode() if self._uploaded is None else self._uploaded
        if self._uploaded is None and not body.strip():
            self.upload.add_error(NOTHING)
        elif self._uploaded is not None and self.text.text.strip():
            self.upload.add_error(BOTH)
        else:
            try:
                self.file = schema.read(body, most=limits.FILE_BODY_BYTES)
            except (Malformed, TooLarge) as refusal:
                field.add_error(refusal.detail)
        return self.file

    def forget_secrets(self) -> None:
        """Empty the text if it may contain a secret, because no page shows a secret again."""
        if self.text.text.strip() and (doubt := self._doubt()):
            self.text.data = ""
            self.text.add_error(f"{doubt} {NOT_KEPT}")

    def add_problems(self, problems: list[tuple[str, str]]) -> None:
        """Add what is wrong in the file, each with its line and its place; and what is wrong with the note."""
        for pointer, sentence in problems:
            if pointer == "/note" or self.file is None:
                self.add_error(pointer, sentence)
                continue
            line = self.file.line(pointer)
            self.general_errors.append(f"{f'Line {number_text(line)}, ' if line else ''}{pointer or '/'}: {sentence}")

    def warns_of_note(self) -> bool:
        """Whether the note contains what looks like a secret, and the user has not seen that."""
        self.note.warning = find_in_text(self.note.text) or ""
        return self.has_new_warnings

    def confirms(self, deletions: int) -> bool:
        """Whether the number of deletions was typed. If not, the form has an error."""
        if not deletions or self.deletions.text.strip() == str(deletions):
            return True
        self.deletions.add_error(f"Type {deletions} to delete {'this agent' if deletions == 1 else 'these agents'}.")
        return False

    def _doubt(self) -> str:
        """Why the text may contain a secret. Empty if it certainly has none."""
        try:
            read = schema.read(self.text.text.encode()) if self.file is None else self.file
        except Malformed:
            return shown_files.UNREAD
        return shown_files.find_doubt(read)
