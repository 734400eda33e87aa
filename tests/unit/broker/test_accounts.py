"""Which account is traded, and which is refused before anything is sent."""

import pytest

from mia_actors.broker.accounts import account_of
from mia_actors.core.errors import BrokerDisconnected, ConfigError
from mia_actors.core.session import BrokerMode, Connection


def connection(mode: BrokerMode, account: str = "", *, halts_only: bool = False) -> Connection:
    return Connection(host="h", port=7, client_id=11, mode=mode, account=account, halts_only=halts_only)


@pytest.mark.parametrize(
    ("managed", "mode", "wanted", "found"),
    [
        (["DUSIM0001"], BrokerMode.SIM, "", "DUSIM0001"),
        (["DU1"], BrokerMode.PAPER, "", "DU1"),
        (["DU1", "DU2"], BrokerMode.PAPER, "DU2", "DU2"),
        (["U1"], BrokerMode.LIVE, "U1", "U1"),
    ],
)
def test_the_account_named_is_traded_or_the_only_one(
    managed: list[str], mode: BrokerMode, wanted: str, found: str
) -> None:
    assert account_of(managed, connection(mode, wanted)) == found


@pytest.mark.parametrize(
    ("managed", "mode", "wanted", "said"),
    [
        (["DU1"], BrokerMode.PAPER, "DU2", "DU2 is not managed by the login at h:7, which has: DU1"),
        (["DU1", "DU2"], BrokerMode.PAPER, "", "the login has: DU1, DU2; name the one"),
        (["U1"], BrokerMode.PAPER, "U1", "U1 is a LIVE account"),
        (["DU1"], BrokerMode.LIVE, "DU1", "DU1 is a paper account"),
    ],
)
def test_any_other_account_is_refused_with_both_names(
    managed: list[str], mode: BrokerMode, wanted: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        account_of(managed, connection(mode, wanted))


@pytest.mark.parametrize("wanted", ["", "DU1"])
def test_a_gateway_that_went_before_it_told_an_account_is_no_wrong_account(wanted: str) -> None:
    """A guardian halts for a wrong account, and must not for a lost connection."""
    with pytest.raises(BrokerDisconnected):
        account_of([], connection(BrokerMode.PAPER, wanted))


def test_who_only_halts_asks_for_no_kind_of_account() -> None:
    assert account_of(["U1"], connection(BrokerMode.PAPER, halts_only=True)) == "U1"
    with pytest.raises(ConfigError, match="not managed"):
        account_of(["U1"], connection(BrokerMode.PAPER, "U2", halts_only=True))
