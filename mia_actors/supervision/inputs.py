"""Inputs of calls by name, and where they are kept: while they are served, and for good when they are poison.

An input is a method with its packed arguments. Two are the same when their bytes are; a call that is made again
after a death always brings the same bytes. Guarantee: what is kept under a name is that input, whole.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mia_actors.core.errors import PermanentError
from mia_actors.supervision.messages import unpacked

SPOOL_FOLDER = "inputs"
QUARANTINE_FOLDER = "quarantine"
DIGEST_BYTES = 8
METHOD_BYTES_MAX = 64
"""Of the name; the digest is of the whole."""
SEPARATOR = b"\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptInput:
    """An input as it can be given to the method again."""

    method: str
    args: tuple[Any, ...]


def input_of(method: str, args: bytes) -> str:
    """The input's name: the method and a digest of it and its packed arguments."""
    return _named(method.encode() + SEPARATOR + args)


def _named(content: bytes) -> str:
    method = content.partition(SEPARATOR)[0][:METHOD_BYTES_MAX].decode(errors="ignore")
    return f"{method} {blake2b(content, digest_size=DIGEST_BYTES).hexdigest()}"


class Spool:
    """Keeps what one life of a child serves, a file for each of its threads. Thread-safe.

    What was written is with the kernel and outlives the process. An input for which there is no room on the
    disk is served all the same, and not kept.
    """

    def __init__(self, directory: Path, child_id: str, incarnation: int) -> None:
        """Below the session's `directory`."""
        self._folder = _spool_folder(directory, child_id, incarnation)
        self._own = threading.local()
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def keeping(self, method: str, args: bytes) -> Iterator[None]:
        """Runs its block while the input is kept."""
        with suppress(OSError):
            os.pwrite(self._file(), method.encode() + SEPARATOR + args, 0)
        try:
            yield
        finally:
            with suppress(OSError):
                os.ftruncate(self._file(), 0)

    def _file(self) -> int:
        handle: int | None = getattr(self._own, "handle", None)
        if handle is None:
            path = self._folder / str(threading.get_native_id())
            handle = self._own.handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        return handle


def quarantine_path(directory: Path, child_id: str, name: str) -> Path:
    """Where an input of that name is kept for people to look at."""
    return directory / QUARANTINE_FOLDER / f"{child_id}-{name.replace(' ', '-')}.input"


def keep_input(directory: Path, child_id: str, incarnation: int, name: str) -> Path | None:
    """Moves an input that a life had in hand to where it stays; None when it was not kept.

    Raises:
        OSError: it cannot be moved.
    """
    folder = _spool_folder(directory, child_id, incarnation)
    for path in folder.iterdir() if folder.exists() else ():
        if _named(path.read_bytes()) == name:
            kept = quarantine_path(directory, child_id, name)
            kept.parent.mkdir(exist_ok=True)
            return path.replace(kept)
    return None


def clear_spool(directory: Path, child_id: str, incarnation: int) -> None:
    """Removes what is left of a life's inputs, as far as that is possible."""
    shutil.rmtree(_spool_folder(directory, child_id, incarnation), ignore_errors=True)


def load_input(path: Path) -> KeptInput:
    """Reads an input that was kept. It is unpickled: load only what a session of one's own has left.

    Raises:
        PermanentError: the file is not such an input, whole.
    """
    content = path.read_bytes()
    if not path.stem.endswith(_named(content).replace(" ", "-")):
        raise PermanentError(f"{path}: damaged, or no input")
    method, _, args = content.partition(SEPARATOR)
    return KeptInput(method=method.decode(), args=unpacked(args))


def _spool_folder(directory: Path, child_id: str, incarnation: int) -> Path:
    return directory / SPOOL_FOLDER / f"{child_id}-{incarnation}"
