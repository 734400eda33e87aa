"""The deadman's own voice: what is told when the notifier is dead."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mia_actors.cli.config import load_without_children
from mia_actors.cli.herald import NOTICES_FILE, UNFLAT_AFTER_S, Herald, channel_of, outlet_of
from mia_actors.core.clock import NS_PER_S, VirtualClock
from mia_actors.core.errors import TransientError
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latch
from mia_actors.notify.notices import Notice, Urgency

SHIPPED = Path(__file__).parents[3] / "supervision.yaml"


class Outlet:
    """Refuses as often as told, then delivers."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.told: list[Notice] = []

    def send(self, told: Notice) -> None:
        if self.refusals > 0:
            self.refusals -= 1
            raise TransientError("not now")
        self.told.append(told)


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    with closing(Latch.open(tmp_path)) as opened:
        yield opened


def test_what_is_told_is_delivered_however_often_it_is_refused(tmp_path: Path) -> None:
    outlet = Outlet(refusals=20)
    herald = Herald(outlet, state_dir=tmp_path, silent=lambda: False, clock=VirtualClock())
    herald.tell("halted", "the guardian has been silent")
    herald.turn(0)
    (told,) = outlet.told
    assert (told.title, told.urgency) == ("deadman: halted", Urgency.CRITICAL)


@pytest.mark.parametrize("silent", [True, False])
def test_an_account_that_stays_open_is_told_where_no_notifier_can(
    tmp_path: Path, latch: Latch, *, silent: bool
) -> None:
    outlet, clock = Outlet(), VirtualClock()
    herald = Herald(outlet, state_dir=tmp_path, silent=lambda: silent, clock=clock)
    latch.lower(TradingState.HALTED, reason="silence", who="deadman", at_ns=1)
    herald.turn(0)
    assert outlet.told == []
    clock.advance_ns(round(UNFLAT_AFTER_S * NS_PER_S))
    herald.turn(0)
    assert len(outlet.told) == (1 if silent else 0)


def test_without_a_webhook_it_writes_to_a_file_rather_than_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert channel_of(load_without_children(SHIPPED)) == "dry_run"
    monkeypatch.delenv("MIA_DISCORD_WEBHOOK", raising=False)
    outlet = outlet_of("discord", tmp_path / "logs")
    herald = Herald(outlet, state_dir=tmp_path, silent=lambda: False, clock=VirtualClock())
    herald.tell("halted", "fire")
    herald.turn(0)
    assert "deadman: halted" in (tmp_path / "logs" / NOTICES_FILE).read_text()
