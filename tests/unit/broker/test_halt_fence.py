"""A permit of before a halt is void, by the guardian's store itself; a store that cannot be read means no risk."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mia_actors.broker.halt_fence import STORE, HaltFence
from mia_actors.core.errors import OrderRejected, PermitStale
from mia_actors.core.orders import OrderSpec, OrderType, Permit, Purpose, Side
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import GUARDIAN_FILE, Latch

ENTRY = OrderSpec(
    order_ref="MIA.ESZ5.one.entry",
    instrument="ESZ5",
    side=Side.BUY,
    quantity=1,
    order_type=OrderType.MARKET,
    purpose=Purpose.ENTRY,
    decided_at_ns=0,
)
EXIT = replace(ENTRY, order_ref="MIA.ESZ5.one.exit", side=Side.SELL, purpose=Purpose.EXIT)


@pytest.fixture
def latch(tmp_path: Path) -> Iterator[Latch]:
    opened = Latch.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def fence(tmp_path: Path) -> Iterator[HaltFence]:
    made = HaltFence(tmp_path)
    yield made
    made.close()


def permit(latch: Latch) -> Permit:
    return Permit(
        epoch=latch.epoch(),
        executor_incarnation=1,
        as_of_ns=0,
        granted_monotonic_ns=0,
        expires_monotonic_ns=1 << 62,
        position_contracts_max=1,
    )


def test_the_store_is_the_guardian_s() -> None:
    assert STORE == GUARDIAN_FILE


def test_a_halt_shuts_the_fence_for_permits_of_before_it(latch: Latch, fence: HaltFence) -> None:
    before = permit(latch)
    fence.check([ENTRY], before)
    latch.lower(TradingState.HALTED, reason="enough", who="test", at_ns=0)
    with pytest.raises(PermitStale, match="permit_fenced: permit of epoch 0, the guardian is at 1"):
        fence.check([ENTRY], before)
    fence.check([EXIT], before)
    fence.check([ENTRY], permit(latch))


@pytest.mark.parametrize("content", [None, b"", b"no database" * 100])
def test_a_store_that_cannot_be_read_lets_no_risk_pass(
    content: bytes | None, latch: Latch, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if content is not None:
        (elsewhere / STORE).write_bytes(content)
    fence = HaltFence(elsewhere)
    with pytest.raises(OrderRejected, match=r"guardian\.db cannot be read"):
        fence.check([ENTRY], permit(latch))
    fence.check([EXIT], None)
    fence.close()
