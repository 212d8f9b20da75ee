"""The folder of backups and saved rows."""

from pathlib import Path

from alembic.util import CommandError

from agents_app.paths import display_path

CHOOSE_FOLDER = "Set BACKUP_FOLDER to a folder in which you may write."


def create_folder(folder: Path) -> None:
    """Create the folder if it does not exist. Raises CommandError, which names BACKUP_FOLDER, if this fails."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        file = next((path for path in (folder, *folder.parents) if path.exists() and not path.is_dir()), folder)
        raise CommandError(
            f"BACKUP_FOLDER is {display_path(folder)}, but {_what(folder, file)}. {CHOOSE_FOLDER}"
        ) from None
    except OSError as error:
        raise CommandError(
            f"BACKUP_FOLDER, {display_path(folder)}, cannot be created: {error.strerror}. {CHOOSE_FOLDER}"
        ) from error


def _what(folder: Path, file: Path) -> str:
    return "that is a file" if file == folder else f"{display_path(file)} is a file"
