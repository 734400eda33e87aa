"""Whether a permit was granted before the newest halt, by the guardian's own store at the very moment of sending."""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from mia_actors.core.errors import OrderRejected, PermitStale
from mia_actors.core.orders import OrderSpec, Permit, Purpose

STORE = "guardian.db"
EPOCH = "SELECT value FROM facts WHERE name = 'epoch'"
BUSY_TIMEOUT_S = 1.0


class HaltFence:
    """Shuts with the halt itself: the epoch grows in the commit that latches, before anything is cancelled.

    It needs no message, so none can be late: a broker actor that was stopped while the halt came about finds it
    when it goes on. What reduces the position is not asked for.
    """

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / STORE
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def check(self, group: Sequence[OrderSpec], permit: Permit | None) -> None:
        """Passes a group whose permit is of the present epoch; one without a permit is the gate's to refuse.

        Raises:
            PermitStale: the guardian lowered its state, or was replaced, after it was granted.
            OrderRejected: the guardian's store cannot be read.
        """
        if permit is None or all(spec.purpose is not Purpose.ENTRY for spec in group):
            return
        epoch = self._epoch(group[0].order_ref)
        if permit.epoch < epoch:
            raise PermitStale(
                f"{group[0].order_ref}: permit_fenced: permit of epoch {permit.epoch}, the guardian is at {epoch}"
            )

    def close(self) -> None:
        """Releases the store."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _epoch(self, order_ref: str) -> int:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = sqlite3.connect(
                        f"{self._path.absolute().as_uri()}?mode=ro",
                        uri=True,
                        timeout=BUSY_TIMEOUT_S,
                        isolation_level=None,
                        check_same_thread=False,
                    )
                return int(self._connection.execute(EPOCH).fetchone()[0])
            except (sqlite3.Error, TypeError, ValueError) as error:
                raise OrderRejected(f"{order_ref}: {STORE} cannot be read ({error}): no risk") from error
