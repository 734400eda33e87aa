"""When the next request for historical bars may be sent. Pure: its caller tells the time.

IB's rules for bars of 30 seconds or less, each kept with a margin because requests do not arrive as they were sent:
no identical request within 15 s, fewer than six for one contract within 2 s, at most sixty within 10 min. For longer
bars IB only slows down whom it finds too quick: the second rule is kept, the others from its first complaint on.
Fifty requests may be open at once; a download has one.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingRules:
    """IB's limits with a margin, and how long to keep quiet after a complaint."""

    identical_s: float = 15.5
    burst_max: int = 5
    burst_s: float = 2.25
    window_max: int = 58
    window_s: float = 605.0
    refused_wait_s: float = 15.5
    """After the first complaint; doubled with each further one in a row."""
    refused_wait_max_s: float = 605.0
    """After so long no earlier request counts any more."""


class Pacer:
    """Remembers what was sent to one contract and tells how long to wait."""

    def __init__(self, *, is_strict: bool, rules: PacingRules | None = None) -> None:
        """`is_strict`: all rules hold from the beginning."""
        self._rules = rules or PacingRules()
        self._is_strict = is_strict
        self._sent: deque[tuple[float, str]] = deque()
        self._refusals = 0
        self._quiet_until_s = 0.0

    def wait_s(self, request: str, now_s: float) -> float:
        """Seconds until this request may be sent; 0: now. `request` is the same text for identical ones."""
        rules = self._rules
        self._forget(now_s)
        until_s = [self._quiet_until_s]
        until_s += self._free_at_s(rules.burst_max, rules.burst_s)
        if self._is_strict:
            until_s += [sent_s + rules.identical_s for sent_s, name in self._sent if name == request]
            until_s += self._free_at_s(rules.window_max, rules.window_s)
        return max(0.0, max(until_s) - now_s)

    def sent(self, request: str, now_s: float) -> None:
        """A request goes out, or went out at this time in an earlier process."""
        self._sent.append((now_s, request))

    def refused(self, now_s: float) -> None:
        """The broker complained."""
        rules = self._rules
        quiet_s = min(rules.refused_wait_s * 2**self._refusals, rules.refused_wait_max_s)
        self._is_strict = True
        self._refusals += 1
        self._quiet_until_s = now_s + quiet_s

    def answered(self) -> None:
        """The broker did not complain of the last request."""
        self._refusals = 0

    def _free_at_s(self, most: int, within_s: float) -> list[float]:
        """When the request so many back is far enough away."""
        return [self._sent[-most][0] + within_s] if len(self._sent) >= most else []

    def _forget(self, now_s: float) -> None:
        while self._sent and self._sent[0][0] < now_s - self._rules.window_s:
            self._sent.popleft()
