"""Inputs that a child had in hand when it died: how often each of them, and which are not served any more. Pure.

Where it had several in hand, every one of them is suspected: the guilty one is there each time, the others are
there by chance.
"""

from collections.abc import Iterable, Mapping

SUSPECTS_MAX = 256
"""Inputs of one child that are counted; beyond that the one not seen for longest is forgotten."""
QUARANTINED_MAX = 256
"""Inputs of one child in quarantine; beyond that the oldest may be tried again."""


class Suspects:
    """Those of one child over the whole session."""

    __slots__ = ("_counts", "_quarantined")

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._quarantined: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Deaths by input, the one seen last at the end; without those in quarantine."""
        return dict(self._counts)

    @property
    def quarantined(self) -> tuple[str, ...]:
        """Inputs that are refused, the newest last."""
        return self._quarantined

    def died_with(self, inputs: Iterable[str], after: int) -> tuple[str, ...]:
        """One death with these in hand: those that have been there `after` times or more."""
        held = tuple(dict.fromkeys(inputs))
        for name in held:
            self._counts[name] = self._counts.pop(name, 0) + 1
        while len(self._counts) > SUSPECTS_MAX:
            del self._counts[next(iter(self._counts))]
        return tuple(name for name in held if self._counts.get(name, 0) >= after)

    def quarantine(self, name: str) -> None:
        """It is not to be served any more."""
        self._counts.pop(name, None)
        self._quarantined = (*self._quarantined, name)[-QUARANTINED_MAX:]

    def acquit(self) -> None:
        """The counts begin anew; what is in quarantine stays there."""
        self._counts.clear()

    def restore(self, counts: Mapping[str, int], quarantined: Iterable[str]) -> None:
        """Takes up what somebody else knew."""
        self._counts, self._quarantined = dict(counts), tuple(quarantined)
