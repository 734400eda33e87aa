"""Moments of scheduled news from a file: one ISO 8601 moment with its zone a line, `#` begins a comment."""

from datetime import datetime
from pathlib import Path

from mia_actors.core.errors import ConfigError
from mia_actors.guardian.limits import GuardianSettings

MOMENTS_MAX = 10_000


def read_news(path: Path) -> tuple[datetime, ...]:
    """The moments of a file.

    Raises:
        ConfigError: it cannot be read, or a line is no moment with a zone.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"news_file {path}: cannot be read ({error})") from error
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if text:
            found.append(_moment(text, f"news_file {path}, line {number}"))
    if len(found) > MOMENTS_MAX:
        raise ConfigError(f"news_file {path}: {len(found)} moments; at most {MOMENTS_MAX} are allowed")
    return tuple(found)


def _moment(text: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{where}: {text!r} is no moment; write one like 2026-12-09T19:00:00Z") from error
    if moment.tzinfo is None:
        raise ConfigError(f"{where}: {text!r} has no time zone; write one like 2026-12-09T19:00:00Z")
    return moment


def with_news_file(settings: GuardianSettings, directory: Path) -> GuardianSettings:
    """The settings with the moments of their file, which is looked for from `directory`.

    Raises:
        ConfigError: the file is not usable: a guardian without its news calendar does not start.
    """
    if settings.news_file is None:
        return settings
    return settings.with_news(read_news(directory / settings.news_file))
