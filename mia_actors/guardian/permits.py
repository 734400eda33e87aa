"""The permit as a lease, guardian's side: who may be given one, and until when.

`LeaseIssuer` is pure; `PermitOffice` reads clock and store for it, in the order the guarantees need.

Guarantees, as long as clocks differ by no more than `drift_ns`:
- a lease ends at most one time to live after the latch was last read as active, so that nothing a halt should
  stop passes a gate later than one time to live after it;
- no lease while the latch is not active, while a person's request waits to be heeded, or once a newer guardian
  has taken over: the store is read at each grant;
- two incarnations of the executor never hold a lease at the same time. Once a newer one asked, an older one
  gets none; the newer one gets its first when every lease of an older one has certainly run out. A guardian
  knows across its own deaths who may hold one: that is on disk before a lease is told.

All processes of a session run on one machine and share its CLOCK_MONOTONIC, so `drift_ns` is 0 there; it is a
parameter because the check of the protocol varies it, and for the day a session spans machines.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mia_actors.core.clock import NS_PER_S
from mia_actors.core.permit_gate import SHARED_CLOCK_DRIFT_NS, PermitRefusal
from mia_actors.guardian.core import TradingState

GUARDIAN_LIFE = "guardian_life"
"""The fact that names the newest guardian by the epoch it began with."""
LEASE_TTL_NS = "lease_ttl_ns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Executors:
    """What the guardian's store knows of a session's executor incarnations; 0: none yet."""

    asked: int = 0
    """The newest that ever asked: older ones get nothing any more."""
    leased: int = 0
    """The newest that was ever given a lease: no other can hold one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The guardian's store in one look."""

    state: TradingState
    reason: str
    epoch: int
    life: int
    """The epoch with which the newest guardian began."""
    requests_open: bool
    """A person's halt or flatten is on disk and not heeded yet."""
    executors: Executors


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The terms of a permit."""

    epoch: int
    executor_incarnation: int
    granted_monotonic_ns: int
    expires_monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The issuer's answer. `executors` has to be on disk before the answer is told."""

    answer: Lease | PermitRefusal
    executors: Executors


class LeaseIssuer:
    """One guardian's life of granting leases; see the module for what it guarantees. Pure."""

    def __init__(self, *, life: int, ttl_ns: int, clear_ns: int, drift_ns: int) -> None:
        """At `clear_ns` every lease that a predecessor can have given has run out."""
        self._life = life
        self._ttl_ns = ttl_ns
        self._drift_ns = drift_ns
        self._clear_ns = clear_ns

    @property
    def clear_ns(self) -> int:
        """When every lease given so far has run out, on this process's clock."""
        return self._clear_ns

    def grant(self, executor_incarnation: int, *, now_ns: int, standing: Standing) -> Verdict:
        """A lease that began at `now_ns`, which was read before `standing` was."""
        known = standing.executors
        asked = max(known.asked, executor_incarnation)
        refusal = self._refusal(executor_incarnation, now_ns, standing)
        if refusal is not None:
            return Verdict(answer=refusal, executors=Executors(asked=asked, leased=known.leased))
        lease = Lease(
            epoch=standing.epoch,
            executor_incarnation=executor_incarnation,
            granted_monotonic_ns=now_ns,
            expires_monotonic_ns=now_ns + self._ttl_ns,
        )
        self._clear_ns = max(self._clear_ns, lease.expires_monotonic_ns)
        return Verdict(answer=lease, executors=Executors(asked=asked, leased=executor_incarnation))

    def _refusal(self, executor_incarnation: int, now_ns: int, standing: Standing) -> PermitRefusal | None:
        if standing.life != self._life:
            detail = f"guardian {self._life} was followed by guardian {standing.life}"
            return PermitRefusal(reason="guardian_superseded", detail=detail, again_in_s=0.0)
        if standing.state is not TradingState.ACTIVE:
            return PermitRefusal(reason=standing.state.value, detail=standing.reason)
        if standing.requests_open:
            return PermitRefusal(reason="halt_requested", detail="a person's halt or flatten is being heeded")
        known = standing.executors
        if executor_incarnation < known.asked:
            detail = f"incarnation {known.asked} of the executor has asked, this is {executor_incarnation}"
            return PermitRefusal(reason="executor_superseded", detail=detail)
        wait_ns = self._clear_ns + self._drift_ns - now_ns
        if executor_incarnation > known.leased > 0 and wait_ns > 0:
            detail = f"a lease of incarnation {known.leased} may live for another {wait_ns / 1e6:.0f} ms"
            return PermitRefusal(reason="older_lease", detail=detail, again_in_s=wait_ns / NS_PER_S)
        return None


class LeaseStore(Protocol):
    """The latch, as far as leases need it."""

    def next_epoch(self) -> int:
        """A number higher than any before."""
        ...

    def fact(self, name: str) -> str | None:
        """A small fact."""
        ...

    def note_fact(self, name: str, value: str) -> None:
        """Stores a fact, durably."""
        ...

    def standing(self, session_id: str) -> Standing:
        """Everything a grant depends on, in one look."""
        ...


class PermitOffice:
    """`LeaseIssuer` over the guardian's store. One caller at a time."""

    def __init__(
        self, store: LeaseStore, *, session_id: str, ttl_s: float, monotonic_ns: Callable[[], int]
    ) -> None:
        """Takes over from whichever guardian was before: with a new epoch, on disk."""
        self._store = store
        self._session_id = session_id
        self._monotonic_ns = monotonic_ns
        ttl_ns = round(ttl_s * NS_PER_S)
        ttl_before_ns = int(store.fact(LEASE_TTL_NS) or 0)
        life = store.next_epoch()
        store.note_fact(GUARDIAN_LIFE, str(life))
        store.note_fact(LEASE_TTL_NS, str(ttl_ns))
        self._issuer = LeaseIssuer(
            life=life,
            ttl_ns=ttl_ns,
            clear_ns=monotonic_ns() + max(ttl_ns, ttl_before_ns),
            drift_ns=SHARED_CLOCK_DRIFT_NS,
        )

    def lease(self, executor_incarnation: int) -> Lease | PermitRefusal:
        """A lease as of now; the clock is read before the store, so that a halt in between only shortens it.

        Raises:
            ConfigError: the store is damaged; that means halted.
        """
        now_ns = self._monotonic_ns()
        standing = self._store.standing(self._session_id)
        verdict = self._issuer.grant(executor_incarnation, now_ns=now_ns, standing=standing)
        if verdict.executors != standing.executors:
            self._store.note_fact(executors_fact(self._session_id), executors_text(verdict.executors))
        return verdict.answer


def executors_fact(session_id: str) -> str:
    """Name of the fact that holds a session's `Executors`; incarnations count from 1 in each session."""
    return f"executors.{session_id}"


def executors_text(executors: Executors) -> str:
    """The fact's value."""
    return f"{executors.asked}/{executors.leased}"


def executors_of(text: str | None) -> Executors:
    """What `executors_text` wrote.

    Raises:
        ValueError: something else did.
    """
    if text is None:
        return Executors()
    asked, leased = map(int, text.split("/"))
    return Executors(asked=asked, leased=leased)
