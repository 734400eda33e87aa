"""The client library as its authors made it, whichever is installed: a stranger for the gateway to be held against."""

from typing import TYPE_CHECKING

import pytest

from mia_actors.broker.ib_library import IB_INSYNC, LIBRARY

if TYPE_CHECKING or LIBRARY == IB_INSYNC:
    from ib_insync import (
        IB,
        Contract,
        ExecutionFilter,
        Future,
        LimitOrder,
        MarketOrder,
        Order,
        RealTimeBarList,
        RequestError,
        StopLimitOrder,
        StopOrder,
    )
else:
    from ib_async import (
        IB,
        Contract,
        ExecutionFilter,
        Future,
        LimitOrder,
        MarketOrder,
        Order,
        RealTimeBarList,
        RequestError,
        StopLimitOrder,
        StopOrder,
    )

refusals_are_told = pytest.mark.skipif(
    LIBRARY != IB_INSYNC, reason="ib_async takes code 321 for a warning and leaves the request waiting"
)

__all__ = [
    "IB",
    "Contract",
    "ExecutionFilter",
    "Future",
    "LimitOrder",
    "MarketOrder",
    "Order",
    "RealTimeBarList",
    "RequestError",
    "StopLimitOrder",
    "StopOrder",
    "refusals_are_told",
]
