"""Executions of one session by id: corrections replace, commissions join. Pure."""

from dataclasses import replace
from decimal import Decimal

from mia_actors.core.orders import Fill, execution_stem


class Executions:
    """Every execution heard of. Not thread-safe: the session guards it."""

    def __init__(self) -> None:
        self._fills: dict[str, Fill] = {}  # by stem
        self._con_ids: dict[str, int] = {}
        self._commissions: dict[str, Decimal] = {}

    def add(self, fill: Fill, con_id: int) -> Fill | None:
        """Takes an execution; None when it, or a later correction of it, is known already."""
        stem, number = execution_stem(fill.exec_id)
        known = self._fills.get(stem)
        if known is not None and execution_stem(known.exec_id)[1] >= number:
            return None
        fill = replace(fill, commission_usd=self._commissions.get(fill.exec_id))
        self._fills[stem] = fill
        self._con_ids[stem] = con_id
        return fill

    def add_commission(self, exec_id: str, commission_usd: Decimal) -> Fill | None:
        """Joins a commission; None when the execution is not known (yet) or has it already."""
        self._commissions[exec_id] = commission_usd
        stem, _ = execution_stem(exec_id)
        known = self._fills.get(stem)
        if known is None or known.exec_id != exec_id or known.commission_usd == commission_usd:
            return None
        self._fills[stem] = replace(known, commission_usd=commission_usd)
        return self._fills[stem]

    def con_id(self, fill: Fill) -> int:
        """Contract of an execution that is known."""
        return self._con_ids[execution_stem(fill.exec_id)[0]]

    def fills(self, con_id: int) -> tuple[Fill, ...]:
        """Executions of one contract in order of time and number."""
        found = [fill for stem, fill in self._fills.items() if self._con_ids[stem] == con_id]
        return tuple(sorted(found, key=lambda fill: (fill.event_time_ns, fill.exec_id)))

    @property
    def commissions_missing(self) -> bool:
        """Whether any execution lacks its commission."""
        return any(fill.commission_usd is None for fill in self._fills.values())
