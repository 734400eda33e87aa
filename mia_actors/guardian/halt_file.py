"""The file `HALT` in the state directory: a halt that needs nothing but a file system.

Its text is the reason. It has to be removed by a person before trading may be resumed.
"""

from pathlib import Path

from mia_actors.core.errors import PermanentError

HALT_FILE = "HALT"
WHO = "HALT file"
REASON_LENGTH_MAX = 300


def halt_demanded(state_dir: Path) -> str | None:
    """The reason where there is such a file, whatever it is made of; None where there is none."""
    path = state_dir / HALT_FILE
    if not path.exists() and not path.is_symlink():
        return None
    try:
        with path.open("r", encoding="utf-8", errors="replace") as handle:
            text = handle.read(REASON_LENGTH_MAX)
    except OSError:
        text = ""
    return " ".join(text.split()) or f"the file {HALT_FILE} is in the state directory"


def refuse_with_halt_file(state_dir: Path) -> None:
    """Lets nobody resume or start while the file is there.

    Raises:
        PermanentError: it is there.
    """
    reason = halt_demanded(state_dir)
    if reason is not None:
        raise PermanentError(f"{state_dir / HALT_FILE} demands a halt ({reason}): remove that file first")
