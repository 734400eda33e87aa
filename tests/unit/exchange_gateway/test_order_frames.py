"""The field tables have the lengths and places that the wire note gives."""

import pytest

from mia_actors.exchange.gateway.place_order_fields import place_order_names


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
