"""The restart budget of a supervisor: so many restarts within any period of so long."""

from collections import deque
from collections.abc import Iterable


class RestartWindow:
    """Counts restarts in a sliding window; one exactly a period ago still counts."""

    __slots__ = ("_intensity", "_period_s", "_stamps_s")

    def __init__(self, intensity: int, period_s: float) -> None:
        self._intensity = intensity
        self._period_s = period_s
        self._stamps_s: deque[float] = deque()
        """When restarts within the present window were, oldest first."""

    def admit(self, now_s: float) -> bool:
        """Counts one restart; False when it is one too many."""
        stamps_s, threshold_s = self._stamps_s, now_s - self._period_s
        while stamps_s and stamps_s[0] < threshold_s:
            stamps_s.popleft()
        stamps_s.append(now_s)
        return len(stamps_s) <= self._intensity

    def count(self, now_s: float) -> int:
        """Restarts that count at `now_s`."""
        threshold_s = now_s - self._period_s
        return sum(1 for stamp_s in self._stamps_s if stamp_s >= threshold_s)

    @property
    def stamps_s(self) -> tuple[float, ...]:
        """When restarts were that may still count, oldest first."""
        return tuple(self._stamps_s)

    def restore(self, stamps_s: Iterable[float]) -> None:
        """Takes up the count of somebody else."""
        self._stamps_s = deque(stamps_s)

    def resize(self, intensity: int, period_s: float) -> None:
        """Other limits from now on; restarts so far count by them."""
        self._intensity, self._period_s = intensity, period_s

    def clear(self) -> None:
        """A new life of the supervisor starts without a past."""
        self._stamps_s.clear()
