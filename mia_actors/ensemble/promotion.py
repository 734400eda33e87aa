"""Which stored version is the current one: promoted, rolled back, and the history of both.

The history is a stack of promotions; a rollback takes the newest off. It is written before CURRENT is replaced, and
what a crash left between the two is put right by the next reader of both: CURRENT decides.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from mia_actors.core.errors import ConfigError
from mia_actors.ensemble.manifest import CURRENT_FILE
from mia_actors.ensemble.registry import current_version, load_version

HISTORY_FILE = "HISTORY"
LOCK_FILE = ".lock"


class Change(StrEnum):
    """How a version became the current one."""

    FOUND = "found"
    """It was when the history began."""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One line of the history."""

    version: str
    change: Change
    reason: str
    at: str
    """UTC."""


def promote(models_dir: Path, version: str, *, reason: str = "", at: str = "") -> None:
    """Makes a stored version the current one; a reader sees the old name or the new, never half of it.

    Raises:
        ConfigError: the version does not verify.
    """
    load_version(models_dir, version)
    with _locked(models_dir):
        if version != _current(models_dir):
            _change(models_dir, Promotion(version=version, change=Change.PROMOTED, reason=reason, at=at))


def rollback(models_dir: Path, *, reason: str = "", at: str = "") -> str:
    """Makes the version before the current one current again, and returns its name.

    Raises:
        ConfigError: nothing was promoted before it, or that version does not verify any more.
    """
    with _locked(models_dir):
        stack = _stack(models_dir)
        if len(stack) < 2:
            raise ConfigError(
                f"models: {models_dir}: no version was promoted before {current_version(models_dir)}; "
                "`mia models list` shows those stored, `mia models promote` takes any"
            )
        version = stack[-2]
        load_version(models_dir, version)
        _change(models_dir, Promotion(version=version, change=Change.ROLLED_BACK, reason=reason, at=at))
        return version


def promotions(models_dir: Path) -> tuple[Promotion, ...]:
    """The history, oldest first; empty where nothing was ever promoted here.

    Raises:
        ConfigError: the file is damaged.
    """
    path = models_dir / HISTORY_FILE
    if not path.exists():
        return ()
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return tuple(Promotion(**(row | {"change": Change(row["change"])})) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"models: {path} cannot be read ({error}); move it away to begin a new one"
        ) from error


def _stack(models_dir: Path) -> list[str]:
    """Versions from the first promoted to the current one, rollbacks taken off."""
    stack: list[str] = []
    for one in promotions(models_dir):
        if one.change is Change.ROLLED_BACK and len(stack) > 1:
            stack.pop()
        else:
            stack.append(one.version)
    current = _current(models_dir)
    if len(stack) > 1 and stack[-2] == current != stack[-1]:
        stack.pop()  # a crash before CURRENT was replaced: that promotion never happened
    if current is not None and stack[-1:] != [current]:
        stack.append(current)  # a crash in a rollback, or a hand that wrote CURRENT
    return stack


def _change(models_dir: Path, made: Promotion) -> None:
    before, version = _current(models_dir), made.version
    lines = [made]
    if before is not None and not (models_dir / HISTORY_FILE).exists():
        found = "current before the first promotion"
        lines.insert(0, Promotion(version=before, change=Change.FOUND, reason=found, at=""))
    with (models_dir / HISTORY_FILE).open("a", encoding="utf-8") as history:
        history.writelines(json.dumps(asdict(line)) + "\n" for line in lines)
        history.flush()
        os.fsync(history.fileno())
    pending = models_dir / f".{CURRENT_FILE}.pending"
    pending.write_text(f"{version}\n", encoding="utf-8")
    os.replace(pending, models_dir / CURRENT_FILE)  # noqa: PTH105 - the atomic rename, by its name


def _current(models_dir: Path) -> str | None:
    return current_version(models_dir) if (models_dir / CURRENT_FILE).exists() else None


@contextmanager
def _locked(models_dir: Path) -> Iterator[None]:
    """One change at a time, whoever makes it."""
    with (models_dir / LOCK_FILE).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
