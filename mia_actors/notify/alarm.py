"""The alarm for a halt that does not become flat: repeated until somebody acknowledges it. Pure."""

from dataclasses import dataclass

from mia_actors.notify.notices import Channel, Notice, Urgency, notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Unflat:
    """A halt, by the guardian's store, whose account is not confirmed flat."""

    number: int
    """Of the halt."""
    reason: str
    outcome: str
    """NOT FLAT with numbers, or what is being done."""
    acknowledged: bool
    """A person has said `mia ack` to this very halt."""


class Alarm:
    """Rings after a halt had its time, then again and again; silent once acknowledged, and says when it is over."""

    def __init__(self, *, after_s: float, every_s: float) -> None:
        self._after_s = after_s
        self._every_s = every_s
        self._number: int | None = None
        self._due_s = 0.0
        self._rung = 0

    def look(self, found: Unflat | None, moment_s: float) -> Notice | None:
        """What is to be told now; call it at every look, with monotonic seconds."""
        if found is None:
            return self._over()
        if found.number != self._number:
            self._number, self._rung = found.number, 0
            self._due_s = moment_s + self._after_s
        if found.acknowledged or moment_s < self._due_s:
            return None
        self._rung += 1
        self._due_s = moment_s + self._every_s
        return notice(
            f"guardian-{found.number}-not-flat-{self._rung}",
            Channel.ALERTS,
            Urgency.CRITICAL,
            "guardian: halted, but the account is NOT FLAT",
            {
                "outcome": found.outcome,
                "reason": found.reason,
                "times told": str(self._rung),
                "do": "look at the account; `mia ack` ends these notices, not the halt",
            },
        )

    def _over(self) -> Notice | None:
        number, rung = self._number, self._rung
        self._number, self._rung = None, 0
        if not rung:
            return None
        return notice(
            f"guardian-{number}-flat",
            Channel.ALERTS,
            Urgency.WARNING,
            "guardian: the account is flat now",
            {},
        )
