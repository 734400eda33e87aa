"""Who hangs, from the pulses heard. Pure: times come in.

Two signals, which come from two threads of a host and so fail apart: that a pulse comes at all (the process
runs, its interpreter is not held), and what the pulse says of the work in hand (it gets on).
"""

from dataclasses import dataclass

LOOKED_AWAY_S = 0.25
"""Longest time between two looks that counts in full: what passed while the watcher itself did not run
proves nothing about the watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long a host may be silent, and its work without progress; None is for ever."""

    alive_within_s: float | None
    progress_within_s: float | None

    def starting(self) -> "Limits":
        """While it starts: twice the silence, for what it imports; its progress is limited by its start's own time."""
        alive_within_s = None if self.alive_within_s is None else 2 * self.alive_within_s
        return Limits(alive_within_s=alive_within_s, progress_within_s=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hang:
    """A host over one of its limits."""

    host_id: str
    cause: str


@dataclass(slots=True)
class _Watched:
    limits: Limits
    heard_at: float
    stalled_s: float = 0.0
    what: str = ""


class HangWatch:
    """Hosts, their limits and what was last heard of them."""

    def __init__(self, now_s: float) -> None:
        self._looked_s = now_s
        self._attended_s = 0.0
        self._watched: dict[str, _Watched] = {}

    def expect(self, host_id: str, limits: Limits) -> None:
        """From now on the host is held to these limits."""
        self._watched[host_id] = _Watched(limits=limits, heard_at=self._attended_s)

    def forget(self, host_id: str) -> None:
        """The host is nobody's business any more."""
        self._watched.pop(host_id, None)

    def heard(self, host_id: str, *, stalled_s: float, what: str) -> None:
        """A pulse: the work that got on least lately, and for how long it has not."""
        watched = self._watched.get(host_id)
        if watched is not None:
            watched.heard_at, watched.stalled_s, watched.what = self._attended_s, stalled_s, what

    def look(self, now_s: float) -> tuple[Hang, ...]:
        """Who is over a limit now; each is told once and then forgotten. Take in every pulse before."""
        self._attended_s += min(max(0.0, now_s - self._looked_s), LOOKED_AWAY_S)
        self._looked_s = now_s
        hangs = tuple(hang for host_id, one in self._watched.items() if (hang := self._judge(host_id, one)))
        for hang in hangs:
            self.forget(hang.host_id)
        return hangs

    def _judge(self, host_id: str, watched: _Watched) -> Hang | None:
        limits, silent_s = watched.limits, self._attended_s - watched.heard_at
        if limits.alive_within_s is not None and silent_s > limits.alive_within_s:
            cause = f"no sign of life for {silent_s:.1f} s, at most {limits.alive_within_s:g} s"
            return Hang(host_id=host_id, cause=cause)
        if limits.progress_within_s is not None and watched.stalled_s > limits.progress_within_s:
            cause = (
                f"{watched.what} has made no progress for {watched.stalled_s:.1f} s, "
                f"at most {limits.progress_within_s:g} s"
            )
            return Hang(host_id=host_id, cause=cause)
        return None
