"""A market of its own for each test of the gateway."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gateway.tws_market import Market


@pytest.fixture
def open_market() -> Iterator[Callable[..., Market]]:
    """Opens markets and closes them after the test."""
    opened: list[Market] = []

    def make(*arguments: str, **more: Any) -> Market:
        opened.append(Market(*arguments, **more))
        return opened[-1]

    yield make
    for market in opened:
        market.close()


@pytest.fixture
def market(open_market: Callable[..., Market]) -> Market:
    """Four base bars in lockstep, not started."""
    return open_market()
