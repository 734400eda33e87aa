"""The limits TWS sets to the pace of requests, on the machine's clock. Pure: who asks says what time it is.

They are the gateway's, not a connection's: whoever connects anew goes on with what was counted before.
"""

from collections import deque
from collections.abc import Hashable

HISTORY_PER_WINDOW, HISTORY_WINDOW_S = 60, 600.0
SAME_CONTRACT_BELOW, SAME_CONTRACT_WINDOW_S = 6, 2.0
IDENTICAL_WINDOW_S = 15.0
REALTIME_PER_WINDOW, REALTIME_WINDOW_S = 60, 600.0
SMALL_BARS_S = 30
"""Longest bars whose requests are counted."""
MESSAGES_PER_S_MAX = 50
VIOLATIONS_MAX = 3
"""With the last of them the connection ends."""


class _Window:
    """What was admitted within the last seconds."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._admitted: deque[tuple[float, Hashable]] = deque()

    def count(self, now_s: float, key: Hashable = None) -> int:
        while self._admitted and self._admitted[0][0] <= now_s - self._length_s:
            self._admitted.popleft()
        return sum(1 for _, one in self._admitted if one == key)

    def add(self, now_s: float, key: Hashable = None, weight: int = 1) -> None:
        self._admitted.extend([(now_s, key)] * weight)


class RequestPacing:
    """Counts requests for history and for real-time bars; one that is refused does not count."""

    def __init__(self) -> None:
        self._all = _Window(HISTORY_WINDOW_S)
        self._same_contract = _Window(SAME_CONTRACT_WINDOW_S)
        self._identical = _Window(IDENTICAL_WINDOW_S)
        self._realtime = _Window(REALTIME_WINDOW_S)

    def admits_history(self, now_s: float, *, request: Hashable, market: Hashable, weight: int = 1) -> bool:
        """Whether a request for ticks or for bars of at most `SMALL_BARS_S` may be made now; if so, counts it.

        `request` is all that makes it identical to another one, `market` its contract, exchange and kind of
        prices; requests for BID_ASK have a `weight` of two.
        """
        if (
            self._identical.count(now_s, request)
            or self._same_contract.count(now_s, market) + 1 >= SAME_CONTRACT_BELOW
            or self._all.count(now_s) + weight > HISTORY_PER_WINDOW
        ):
            return False
        self._identical.add(now_s, request)
        self._same_contract.add(now_s, market)
        self._all.add(now_s, weight=weight)
        return True

    def admits_realtime(self, now_s: float) -> bool:
        """Whether real-time bars may be asked for now; if so, counts it."""
        if self._realtime.count(now_s) >= REALTIME_PER_WINDOW:
            return False
        self._realtime.add(now_s)
        return True
