"""The gate that risk passes: used by execution and, independently, by the broker actor. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.orders import Permit


class PermitDenial(StrEnum):
    """Why a gate stays shut."""

    MISSING = "permit_missing"
    EXPIRED = "permit_expired"
    FENCED = "permit_fenced"
    POSITION_LIMIT = "position_limit"


PERMIT_STALE = frozenset({PermitDenial.EXPIRED, PermitDenial.FENCED})
"""Denials that a fresh permit may cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRefusal:
    """The guardian gives no permit."""

    reason: str
    """One word, such as `halted`, `reduce_only`, `paused`, `guardian_unavailable`."""
    detail: str
    """A sentence with the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """The group may go out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """The group may not go out."""

    reason: PermitDenial
    detail: str


class PermitGate:
    """Remembers the highest epoch seen: a permit of an older guardian, or from before a halt, is void."""

    def __init__(self) -> None:
        self._epoch_seen = 0

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
        if abs(resulting_contracts) > permit.position_contracts_max:
            return Denied(
                reason=PermitDenial.POSITION_LIMIT,
                detail=f"{resulting_contracts} contracts, limit {permit.position_contracts_max}",
            )
        return Allowed()
