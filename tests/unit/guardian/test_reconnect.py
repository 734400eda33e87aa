"""A guardian whose line was cut: as careful as a new one until it has judged what it heard anew."""

from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import pytest

from mia_actors.core.clock import VirtualClock
from mia_actors.core.market import Bar
from mia_actors.core.orders import Fill, OrderTerms, Permit
from mia_actors.core.permit_gate import PermitRefusal
from mia_actors.core.units import Contract
from mia_actors.guardian import actor
from mia_actors.guardian.actor import Guardian
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.supervision.child import ChildContext
from mia_actors.supervision.ref import Ref
from tests.unit.guardian.account import NOON_NS, FakeDesk, bar, round_trips, session_info

SETTINGS = GuardianSettings(consecutive_losses_max=3, permit_wait_s=0.05)


class Line(FakeDesk):
    """A broker session that can be closed and opened again."""

    newest: Bar | None = None

    def equity_usd(self) -> Decimal:
        return Decimal(10_000)

    def account(self) -> str:
        return "DU1"

    def recent_bars(self) -> tuple[Bar, ...]:
        return (self.newest,) if self.newest else ()

    def all_order_terms(self) -> tuple[OrderTerms, ...]:
        return ()

    def close(self) -> None:
        """Nothing to close."""


class Gate:
    def acknowledge(self, until_ns: int) -> bool:
        return until_ns < 0


def reason_of(guardian: Guardian, as_of: Bar) -> str:
    answer = guardian.permit(as_of.end_ns, 1)
    return answer.reason if isinstance(answer, PermitRefusal) else "permitted"


@pytest.mark.parametrize(
    ("executions", "after"), [(round_trips([-1, -1, -1]), "pause"), (round_trips([-1, 1, -1]), "permitted")]
)
def test_after_a_reconnect_there_is_no_permit_before_a_judgement_and_a_pause_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executions: list[Fill], after: str
) -> None:
    def crash(error: BaseException) -> NoReturn:
        raise error

    def refs(name: str) -> Ref:
        raise AssertionError(f"the guardian asks nobody, least of all {name}")

    def begun(_make: object, begin: Callable[[Line, Contract], None], **__: Any) -> None:
        begin(line, Contract(symbol="ES", expiry="20131220", con_id=1))

    line = Line()
    line.executions = tuple(executions)
    monkeypatch.setattr(actor, "begun", begun)
    context = ChildContext(
        child_id="guardian",
        incarnation=1,
        session=session_info(tmp_path),
        clock=VirtualClock(NOON_NS),
        refs=refs,
        finish=lambda: None,
        crash=crash,
    )
    guardian = Guardian(SETTINGS, context)
    with closing(Latch.open(tmp_path)) as latch:
        guardian._latch = latch
        guardian._office = guardian._new_office(latch)
        guardian._open(latch)
        guardian._judge(bar(10), Gate())
        assert reason_of(guardian, bar(10)) == after
        line.newest = bar(10)
        guardian._reopen()
        assert reason_of(guardian, bar(10)) == "guardian_behind"
        newest = guardian._events.get_nowait()
        assert isinstance(newest, Bar)
        guardian._judge(newest, Gate())
        assert reason_of(guardian, bar(10)) == after
        assert isinstance(guardian.permit(bar(10).end_ns, 1), Permit) == (after == "permitted")
