"""How long to wait before what failed is tried again, counted in looks. Pure.

A halt knows no clock it could trust in every pace: its looks come with the bars while those come, and on a
timer while they do not.
"""

FREE_FAILURES = 2
"""Failures that are followed by another try at the very next look."""
LOOKS_MAX = 64
"""Between bars a look comes every tenth of a second: about six seconds."""


class Patience:
    """Doubles the looks between two tries, up to a bound."""

    def __init__(self) -> None:
        self.failures = 0
        """In a row."""
        self._waits = 0
        self._last: float | None = None

    def failed(self, moment: float) -> None:
        """The try at this look came to nothing."""
        self.failures += 1
        beyond = self.failures - FREE_FAILURES
        self._waits = 0 if beyond <= 0 else min(LOOKS_MAX, 2 ** min(beyond - 1, LOOKS_MAX))
        self._last = moment

    def succeeded(self) -> None:
        """Begins anew."""
        self.failures = self._waits = 0

    def is_due(self, moment: float) -> bool:
        """Whether to try at this look; every different moment is one look."""
        if self._waits > 0 and moment != self._last:
            self._last = moment
            self._waits -= 1
            return False
        return self._waits == 0
