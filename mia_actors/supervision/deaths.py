"""What a child died of: how often of what, and the last causes. An end that was asked for is no death."""

from collections import deque
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from mia_actors.supervision.events import ExitReason

LAST_CAUSES_MAX = 5
CAUSE_LENGTH_MAX = 200


class Deaths:
    """The tally of one child over the whole session; failed starts count as crashes."""

    __slots__ = ("_causes", "_counts")

    def __init__(self) -> None:
        self._counts: dict[ExitReason, int] = {}
        self._causes: deque[str] = deque(maxlen=LAST_CAUSES_MAX)

    @property
    def counts(self) -> dict[ExitReason, int]:
        """How often of what."""
        return dict(self._counts)

    @property
    def last_causes(self) -> tuple[str, ...]:
        """The newest last, shortened."""
        return tuple(self._causes)

    def add(self, reason: ExitReason, cause: str) -> None:
        """One more."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        self._causes.append((cause or reason.value)[:CAUSE_LENGTH_MAX])

    def restore(self, counts: Mapping[ExitReason, int], last_causes: Iterable[str]) -> None:
        """Takes up the tally of somebody else."""
        self._counts = dict(counts)
        self._causes = deque(last_causes, maxlen=LAST_CAUSES_MAX)


def pattern_met(patterns: Iterable[str], cause: str) -> str | None:
    """The first of the patterns that the whole cause matches; `*` is any text, `?` any character."""
    return next((pattern for pattern in patterns if fnmatchcase(cause, pattern)), None)
