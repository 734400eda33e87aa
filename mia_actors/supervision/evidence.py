"""What a process leaves behind when it dies: its last words, what it had in hand, the inputs it was serving."""

from pathlib import Path

from mia_actors.supervision.host import LOG_FOLDER, last_words_path
from mia_actors.supervision.in_hand import InHand, in_hand_path, read_in_hand
from mia_actors.supervision.inputs import clear_spool, keep_input


class Evidence:
    """That of the dead of one session."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def last_words(self, child_id: str, incarnation: int) -> str:
        """The traceback of a process that ended itself, or the stacks of one that hung; empty without either."""
        try:
            return last_words_path(self._directory, child_id, incarnation).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def in_hand(self, child_id: str, incarnation: int) -> tuple[InHand, ...]:
        """The calls and loops it had not finished."""
        return read_in_hand(in_hand_path(self._directory / LOG_FOLDER, child_id, incarnation))

    def keep(self, child_id: str, incarnation: int, name: str) -> str | None:
        """Moves an input of it to where it stays; why not, if that was not possible."""
        try:
            kept = keep_input(self._directory, child_id, incarnation, name)
        except OSError as error:
            return str(error)
        return None if kept is not None else "there is no such input"

    def clear(self, child_id: str, incarnation: int) -> None:
        """Removes the inputs that are not to be kept."""
        clear_spool(self._directory, child_id, incarnation)
