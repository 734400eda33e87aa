"""What each thread of a process has in hand, where it outlives the process however that ends.

One page of memory per life, mapped from a file beside the last words: what is written there is with the kernel
at once, and is read by the supervisor after a SIGKILL, a segfault or an end for lack of memory. Guarantees: a
write is some bytes in memory, no system call; a note that was not written whole is none.
"""

import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

SLOTS = 32
"""As many calls and loops at a time are noted; a child that has more in hand leaves the rest untold."""
SLOT_BYTES = 128
HEADER_BYTES = 2
"""Length of the text, 0 for a free slot, and whether it is an input."""
TEXT_BYTES_MAX = SLOT_BYTES - HEADER_BYTES
NO_SLOT = -1


def in_hand_path(directory: Path, child_id: str, incarnation: int) -> Path:
    """Where a life of a child notes what it has in hand; `directory` is that of the logs."""
    return directory / f"{child_id}-{incarnation}.in_hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class InHand:
    """One call or loop that a process had in hand when it ended."""

    text: str
    """The method or loop; that of an input is its name, see `inputs.input_of`."""
    is_input: bool


class InHandFile:
    """The writer's side. Not thread-safe: `Activity` uses it under the lock it has."""

    def __init__(self, path: Path) -> None:
        """Takes room on the disk for the whole of it first, so that no later write can fail.

        Raises:
            OSError: there is no room.
        """
        size = SLOTS * SLOT_BYTES
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(handle, 0, size)
            self._page = mmap.mmap(handle, size)
        finally:
            os.close(handle)
        self._free = list(range(SLOTS - 1, -1, -1))

    def take(self, text: str, *, is_input: bool) -> int:
        """Notes that this is in hand; `NO_SLOT` when there is no room for it."""
        if not self._free:
            return NO_SLOT
        slot = self._free.pop()
        data, page, at = text.encode()[:TEXT_BYTES_MAX], self._page, slot * SLOT_BYTES
        page[at + HEADER_BYTES : at + HEADER_BYTES + len(data)] = data
        page[at + 1] = is_input
        page[at] = len(data)
        return slot

    def release(self, slot: int) -> None:
        """It is in hand no more."""
        if slot != NO_SLOT:
            self._page[slot * SLOT_BYTES] = 0
            self._free.append(slot)


def read_in_hand(path: Path) -> tuple[InHand, ...]:
    """What the process that wrote there has, or had, in hand; nothing when it left no such file."""
    try:
        page = path.read_bytes()
    except FileNotFoundError:
        return ()
    slots = (page[at : at + SLOT_BYTES] for at in range(0, len(page), SLOT_BYTES))
    return tuple(
        InHand(
            text=slot[HEADER_BYTES : HEADER_BYTES + slot[0]].decode(errors="ignore"), is_input=bool(slot[1])
        )
        for slot in slots
        if slot[0]
    )


def inputs_in(held: Iterable[InHand]) -> tuple[str, ...]:
    """Names of the inputs among it, each once."""
    return tuple(dict.fromkeys(one.text for one in held if one.is_input))


def told(held: Iterable[InHand]) -> str:
    """As people read it: `on_bar 3f2a91c0d4e5a7b1; loop the watch`."""
    return "; ".join(one.text for one in held)
