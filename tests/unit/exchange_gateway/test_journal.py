"""The gateway's journal: whatever a killed gateway leaves of it, the next one has exactly that market."""

import errno
import os
import re
from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.errors import ConfigError, OrderRejected
from mia_actors.core.orders import OrderType, Side, TimeInForce
from mia_actors.exchange.gateway.journal import GatewayJournal, line_of, replay, surviving, tape_line
from mia_actors.exchange.gateway.market import MarketChange, Role, SimulatedMarket
from mia_actors.exchange.gateway.server import Gateway
from mia_actors.exchange.orders import NewOrder
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape

ROLES = (Role.CYCLE, Role.GUARDIAN)
BASE_BARS = 3
CLIENTS = (11, 12)


@cache
def tape(seed: int = 7) -> Tape:
    return load_tape(TapeSelection(source=f"synthetic:{seed}", history_days=0))


def new_market(seed: int = 7) -> SimulatedMarket:
    return SimulatedMarket(tape(seed), lockstep_roles=frozenset(ROLES), bars_max=BASE_BARS)


def state(market: SimulatedMarket) -> tuple[Any, ...]:
    """All that any client, the control port or the exchange itself could tell."""
    exchange = market.exchange
    return (
        (market.now_ns, market.started, dict(market.acknowledged_ns), market.missing(), market.is_over),
        (
            market.base_bars_shown,
            market.last_bar,
            list(market.past.small_bars(0, market.now_ns)),
            market.past.day,
        ),
        (exchange.orders(), exchange.working_orders(), exchange.executions(), exchange.account()),
        (exchange.position_contracts, exchange.average_price_ticks, exchange.last_ticks),
        [market.next_order_id(client) for client in CLIENTS],
        [market.order_of(client, number) for client in CLIENTS for number in range(1, 40)],
    )


class Life:
    """A gateway without connections whose records, and the state after each, are kept."""

    def __init__(self) -> None:
        self.market = new_market()
        self.written = tape_line(self.market).encode() + b"\n"
        self.ends, self.states = [0, len(self.written)], [state(self.market), state(self.market)]
        self.gateway = Gateway(
            self.market, clock=SystemClock(), pace=None, master_client_id=12, record=self._record
        )

    def _record(self, change: MarketChange) -> None:
        self.written += line_of(change)
        self.ends.append(len(self.written))
        self.states.append(state(self.market))

    def order(self, client: int, kind: OrderType, side: Side, ticks: int, **more: Any) -> NewOrder:
        """Priced so many ticks from the market."""
        price = (self.market.exchange.last_ticks or self.market.bars[0].open_ticks) + ticks
        return NewOrder(
            client_id=client,
            order_id=self.market.next_order_id(client) + int(more.pop("place", 0)),
            order_ref=f"MIA.{client}.{len(self.ends)}",
            side=side,
            quantity=1,
            order_type=kind,
            limit_ticks=price if kind in {OrderType.LIMIT, OrderType.STOP_LIMIT} else None,
            stop_ticks=price if kind in {OrderType.STOP, OrderType.STOP_LIMIT} else None,
            tif=TimeInForce.GTC,
            **more,
        )

    def step(self, name: str, number: int, side: Side) -> None:
        """One thing that may happen; `number` chooses its details."""
        client, working = CLIENTS[number % 2], self.market.exchange.working_orders()
        some = working[number % len(working)] if working else None
        other = Side.SELL if side is Side.BUY else Side.BUY
        match name:
            case "acknowledge":
                until_ns = self.market.now_ns + (number % 4) * 5 * NS_PER_S
                self.gateway.acknowledge(ROLES[number % 2], until_ns)
            case "single":
                kind = list(OrderType)[number % len(OrderType)]
                self.gateway.submit(
                    [self.order(client, kind, side, number % 9 - 4, oca_group="g" * (number % 2))]
                )
            case "bracket":
                entry = self.order(client, OrderType.MARKET, side, 0)
                legs = [
                    self.order(client, kind, other, side.sign * away, parent_index=0, place=place)
                    for place, (kind, away) in enumerate(
                        ((OrderType.LIMIT, 6), (OrderType.STOP, -6)), start=1
                    )
                ]
                self.gateway.submit([entry, *legs])
            case "modify" if some is not None:
                wanted = self.order(some.client_id, some.order_type, some.side, number % 9 - 4)
                try:
                    self.gateway.modify(some.perm_id, wanted)
                except OrderRejected:
                    return
            case "cancel" if some is not None:
                self.gateway.cancel(some.perm_id)
            case "cancel all":
                self.gateway.global_cancel(client_id=1)
            case _:
                self.gateway.start()


NAMES = ("start", *["acknowledge"] * 6, "single", "single", "bracket", "modify", "cancel", "cancel all")
STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 99), st.sampled_from(list(Side))),
    min_size=1,
    max_size=40,
)


def lived(steps: Sequence[tuple[str, int, Side]]) -> Life:
    life = Life()
    life.gateway.start()
    for step in steps:
        life.step(*step)
    return life


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, share=st.floats(0, 1))
def test_any_beginning_of_the_bytes_is_the_market_of_the_changes_written_whole(
    steps: list[tuple[str, int, Side]], share: float
) -> None:
    """And from there on the same changes make the same market, identifiers and times included."""
    life = lived(steps)
    cut = round(share * len(life.written))
    found, whole = surviving(life.written[:cut]), surviving(life.written)
    place = bisect_right(life.ends, cut) - 1
    assert found.length == life.ends[place]
    market = new_market()
    replay(market, found.changes)
    assert state(market) == life.states[place]
    replay(market, whole.changes[len(found.changes) :])
    assert state(market) == state(life.market) == life.states[-1], "nothing happens without a record"


TRADES = [("bracket", 0, Side.BUY), *[("acknowledge", number, Side.BUY) for number in (0, 1, 2, 3)] * 8]


def test_the_life_the_tests_cut_short_has_fills_and_working_orders() -> None:
    market = lived(TRADES).market
    assert market.exchange.executions()
    assert market.exchange.working_orders()


def test_a_torn_record_is_dropped_and_the_next_one_written_in_its_place(tmp_path: Path) -> None:
    life, path = lived(TRADES), tmp_path / "journal"
    path.write_bytes(life.written[:-3])
    market = new_market()
    with GatewayJournal.open(path, market) as journal:
        assert state(market) == life.states[-2]
        (last,) = surviving(life.written).changes[-1:]
        journal.append(last)
    assert path.read_bytes() == life.written


@pytest.mark.parametrize("begun", [b"", b'{"journal": 1, "con'])
def test_a_journal_that_was_only_begun_is_begun_anew(tmp_path: Path, begun: bytes) -> None:
    path, market = tmp_path / "journal", new_market()
    path.write_bytes(begun)
    GatewayJournal.open(path, market).close()
    assert path.read_bytes() == Life().written


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda written: written.replace(b"\nack", b"\nnack", 1), "line 5: 'nack' is no change"),
        (lambda written: written.replace(b"\nbar {", b"\nbar [", 1), "line 3:"),
        (
            lambda written: re.sub(rb"\nbar .*", b"", written, count=1),
            r"line 3: Submitted at \d+, market time is \d+;",
        ),
        (lambda _: tape_line(new_market(8)).encode() + b"\n", "another tape"),
    ],
    ids=["word", "shape", "gap", "tape"],
)
def test_a_file_that_no_killed_gateway_leaves_is_refused(tmp_path: Path, damage: Any, told: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(damage(lived(TRADES).written))
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=told):
        GatewayJournal.open(path, new_market())
    assert path.read_bytes() == before, "and left as it is"


def test_two_gateways_cannot_write_one_journal(tmp_path: Path) -> None:
    with (
        GatewayJournal.open(tmp_path / "journal", new_market()),
        pytest.raises(ConfigError, match="another gateway writes it"),
    ):
        GatewayJournal.open(tmp_path / "journal", new_market())
    GatewayJournal.open(tmp_path / "journal", new_market()).close()


def test_a_gateway_that_cannot_write_ends_before_it_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space left")

    change = surviving(lived([]).written).changes[0]
    with GatewayJournal.open(tmp_path / "journal", new_market()) as journal:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(SystemExit, match="no space left"):
            journal.append(change)
