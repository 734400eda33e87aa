"""How long a restart is put off: exponentially longer after each failure in a row, and never two alike."""

from hashlib import sha256

from mia_actors.supervision.spec import Backoff


def wait_s(backoff: Backoff, child_id: str, incarnation: int, failures: int) -> float:
    """Seconds from the failure of a life to the start of the next; `failures` of lives before it in a row.

    The jitter only ever shortens a wait and follows from the child's id and incarnation: children that fail
    together come back apart, and the same history always has the same waits.
    """
    full_s = min(backoff.max_s, backoff.first_s * backoff.factor**failures)
    return full_s * (1 - backoff.jitter * _fraction(child_id, incarnation))


def failures_after(backoff: Backoff, failures: int) -> int:
    """One more; not counted further than waits grow."""
    return failures + 1 if backoff.first_s * backoff.factor**failures < backoff.max_s else failures


def _fraction(child_id: str, incarnation: int) -> float:
    """Some number in [0, 1)."""
    digest = sha256(f"{child_id}#{incarnation}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48
