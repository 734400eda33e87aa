"""The gate that risk passes: used by execution and, independently, by the broker actor. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.orders import Permit


class PermitDenial(StrEnum):
    """Why a gate stays shut."""

    MISSING = "permit_missing"
    EXPIRED = "permit_expired"
    FENCED = "permit_fenced"
    OLDER_THAN_GATE = "permit_older_than_gate"
    POSITION_LIMIT = "position_limit"


PERMIT_STALE = frozenset({PermitDenial.EXPIRED, PermitDenial.FENCED, PermitDenial.OLDER_THAN_GATE})
"""Denials that a fresh permit may cure."""
SHARED_CLOCK_DRIFT_NS = 0
"""By how much the clocks of a session's processes may differ: they share one machine's CLOCK_MONOTONIC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRefusal:
    """The guardian gives no permit."""

    reason: str
    """One word, such as `halted`, `reduce_only`, `paused`, `guardian_unavailable`."""
    detail: str
    """A sentence with the numbers."""
    again_in_s: float | None = None
    """When asking again may help; None: the answer stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The group may go out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The group may not go out."""

    reason: PermitDenial
    detail: str


class PermitGate:
    """Remembers the highest epoch seen: a permit of an older guardian, or from before a halt, is void.

    Guarantees, on a clock that differs from the guardian's by at most `drift_ns`:
    - nothing passes without a permit, after its end, or beyond its size;
    - once a permit of an epoch was seen nothing passes with an older one, the gate's own death included: a
      successor has forgotten the epoch, so it refuses what was granted before its own birth.
    """

    def __init__(
        self,
        *,
        epoch_seen: int = 0,
        born_monotonic_ns: int | None = None,
        drift_ns: int = SHARED_CLOCK_DRIFT_NS,
    ) -> None:
        """`born_monotonic_ns` is None where no gate can have stood before this one."""
        self._epoch_seen = epoch_seen
        self._forgotten_until_ns = None if born_monotonic_ns is None else born_monotonic_ns + drift_ns

    @property
    def epoch_seen(self) -> int:
        """The highest epoch of any permit shown to this gate."""
        return self._epoch_seen

    def check(
        self, permit: Permit | None, *, resulting_contracts: int, now_monotonic_ns: int
    ) -> Allowed | Denied:
        """Verdict on a group that would leave `resulting_contracts` held; what only reduces does not ask."""
        if permit is None:
            return Denied(
                reason=PermitDenial.MISSING, detail="risk needs a permit of the guardian; there is none"
            )
        if permit.epoch < self._epoch_seen:
            return Denied(
                reason=PermitDenial.FENCED,
                detail=f"permit of epoch {permit.epoch}, epoch {self._epoch_seen} was seen already",
            )
        self._epoch_seen = permit.epoch
        if now_monotonic_ns >= permit.expires_monotonic_ns:
            late_ms = (now_monotonic_ns - permit.expires_monotonic_ns) / 1e6
            return Denied(reason=PermitDenial.EXPIRED, detail=f"permit expired {late_ms:.0f} ms ago")
        if self._forgotten_until_ns is not None and permit.granted_monotonic_ns <= self._forgotten_until_ns:
            return Denied(
                reason=PermitDenial.OLDER_THAN_GATE, detail="permit from before the gate was last restarted"
            )
        if abs(resulting_contracts) > permit.position_contracts_max:
            return Denied(
                reason=PermitDenial.POSITION_LIMIT,
                detail=f"{resulting_contracts} contracts, limit {permit.position_contracts_max}",
            )
        return Allowed()
