"""The field tables have the lengths and places that the wire note gives."""

from decimal import Decimal

import pytest

from mia_actors.core.orders import OrderType, Side
from mia_actors.core.units import Contract, product
from mia_actors.exchange.gateway import order_frames
from mia_actors.exchange.gateway.dialect import Dialect
from mia_actors.exchange.gateway.order_tables import OPEN_ORDER, completed_order_fields, open_order_fields
from mia_actors.exchange.gateway.place_order_fields import place_order_names
from mia_actors.exchange.orders import NewOrder


@pytest.mark.parametrize(
    ("version", "count", "transmit", "what_if"), [(176, 115, 27, 85), (177, 114, 27, 84), (178, 114, 27, 84)]
)
def test_place_order_has_its_fields_in_place(version: int, count: int, transmit: int, what_if: int) -> None:
    names = place_order_names(version)
    assert len(names) == count
    assert len(set(names)) == count
    assert (names.index("transmit"), names.index("whatIf")) == (transmit, what_if)
    assert ("faProfile" in names) == (version < 177)


@pytest.mark.parametrize(
    ("version", "added"),
    [
        (158, "duration"),
        (160, "postToAts"),
        (162, "autoCancelParent"),
        (166, "advancedErrorOverride"),
        (169, "manualOrderTime"),
    ],
)
def test_place_order_grows_at_its_end_by_a_field_at_a_time(version: int, added: str) -> None:
    assert place_order_names(version) == (*place_order_names(version - 1), added)


@pytest.mark.parametrize(
    ("version", "opened", "completed"),
    [
        (157, 128, 96),
        (158, 129, 96),
        (160, 130, 96),
        (162, 131, 96),
        (169, 131, 96),
        (170, 136, 101),
        (176, 136, 101),
        (177, 135, 100),
        (178, 135, 100),
    ],
)
def test_an_order_is_shown_with_the_fields_of_its_server_version(
    version: int, opened: int, completed: int
) -> None:
    assert len(open_order_fields(version, {})) == opened
    assert len(completed_order_fields(version, {})) == completed


def test_a_what_if_answer_is_about_the_order_and_the_contract_asked_for() -> None:
    """Also where nobody of ours looks: another client takes its contract and account from this message."""
    contract = Contract(symbol="ES", expiry="20260618", con_id=7)
    dialect = Dialect(version=178, contract=contract, product=product("ES"), account="DUSIM0001")
    order = NewOrder(
        client_id=11,
        order_id=5,
        order_ref="ask",
        side=Side.SELL,
        quantity=2,
        order_type=OrderType.LIMIT,
        limit_ticks=4,
    )
    names = [name for name, _ in OPEN_ORDER if name != "faProfile"]
    shown = dict(zip(names, order_frames.what_if(dialect, order, Decimal(10_000)), strict=True))
    wanted = {
        "orderId": "5",
        "clientId": "11",
        "conId": "7",
        "lastTradeDateOrContractMonth": "20260618",
        "localSymbol": contract.instrument,
        "account": "DUSIM0001",
        "action": "SELL",
        "totalQuantity": "2",
        "lmtPrice": "1.0",
        "whatIf": "1",
        "initMarginChange": "10000",
    }
    assert {name: shown[name] for name in wanted} == wanted
