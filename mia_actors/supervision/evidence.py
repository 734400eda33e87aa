"""What a process leaves behind when it dies: its last words, what it had in hand, the inputs it was serving."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mia_actors.supervision.host import LOG_FOLDER, last_words_path
from mia_actors.supervision.in_hand import InHand, in_hand_path, read_in_hand
from mia_actors.supervision.inputs import clear_spool, keep_input


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What one life left behind, as it travels from the node where it lies."""

    last_words: str
    in_hand: tuple[InHand, ...]


class Keeper(Protocol):
    """Keeps or clears the inputs of a life where they lie."""

    def keep(self, child_id: str, incarnation: int, name: str) -> None:
        """Moves an input to where it stays, if it can."""
        ...

    def clear(self, child_id: str, incarnation: int) -> None:
        """Removes the inputs that are not to be kept."""
        ...


class Evidence:
    """That of the dead of one session, which lies in its folder unless somebody on another node told of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._elsewhere: dict[tuple[str, int], tuple[Left, Keeper]] = {}

    def left(self, child_id: str, incarnation: int) -> Left:
        """What there is of it in this folder."""
        return Left(
            last_words=self.last_words(child_id, incarnation), in_hand=self.in_hand(child_id, incarnation)
        )

    def learn(self, child_id: str, incarnation: int, left: Left, keeper: Keeper) -> None:
        """That of a life on another node, until it is cleared."""
        self._elsewhere[child_id, incarnation] = (left, keeper)

    def last_words(self, child_id: str, incarnation: int) -> str:
        """The traceback of a process that ended itself, or the stacks of one that hung; empty without either."""
        elsewhere = self._elsewhere.get((child_id, incarnation))
        if elsewhere is not None:
            return elsewhere[0].last_words
        try:
            return last_words_path(self._directory, child_id, incarnation).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def in_hand(self, child_id: str, incarnation: int) -> tuple[InHand, ...]:
        """The calls and loops it had not finished."""
        elsewhere = self._elsewhere.get((child_id, incarnation))
        if elsewhere is not None:
            return elsewhere[0].in_hand
        return read_in_hand(in_hand_path(self._directory / LOG_FOLDER, child_id, incarnation))

    def keep(self, child_id: str, incarnation: int, name: str) -> str | None:
        """Moves an input of it to where it stays; why not, if that was not possible and it lies here."""
        elsewhere = self._elsewhere.get((child_id, incarnation))
        if elsewhere is not None:
            elsewhere[1].keep(child_id, incarnation, name)
            return None
        try:
            kept = keep_input(self._directory, child_id, incarnation, name)
        except OSError as error:
            return str(error)
        return None if kept is not None else "there is no such input"

    def clear(self, child_id: str, incarnation: int) -> None:
        """Removes the inputs that are not to be kept."""
        elsewhere = self._elsewhere.pop((child_id, incarnation), None)
        if elsewhere is not None:
            elsewhere[1].clear(child_id, incarnation)
        else:
            clear_spool(self._directory, child_id, incarnation)
