"""The gates of one cycle, as it comes to them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mia_actors.core.decisions import Gate, Reason
from mia_actors.core.features import StrategyReading


@dataclass(slots=True)
class Trail:
    """What a cycle has come past: kept with its decision, so that nothing needs computing again to explain it."""

    gates: list[Gate] = field(default_factory=list)
    readings: tuple[StrategyReading, ...] = ()
    notes: tuple[str, ...] = ()
    detail: str = ""
    """The sentence of the gate that said no."""

    def passes(self, reason: Reason, *, holds: bool, found: str, wanted: str, detail: str = "") -> bool:
        """Notes one more gate; `detail` tells the no, where it is more than what was found and wanted."""
        self.gates.append(Gate(reason=reason, found=found, wanted=wanted, passed=holds))
        if not holds:
            self.detail = detail or f"{found}, {wanted} needed"
        return holds

    def notes_down(self, warnings: Iterable[str]) -> None:
        """Keeps what was only a warning."""
        self.notes = (*self.notes, *warnings)
