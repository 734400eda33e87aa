"""Which account of a login is traded, and whether it may be. Pure."""

from collections.abc import Sequence

from mia_actors.core.errors import BrokerDisconnected, ConfigError
from mia_actors.core.session import BrokerMode, Connection

PAPER_PREFIX = "D"
"""Names of IB's paper accounts begin with it (DU, DF); no live one does."""


def account_of(managed: Sequence[str], connection: Connection) -> str:
    """The account to trade, of those the login manages.

    Raises:
        BrokerDisconnected: the gateway went before it told any.
        ConfigError: it is none of them, not known which, a live one in paper mode or the other way round.
    """
    if not managed:
        raise BrokerDisconnected("the gateway told no account")
    if connection.reads_only:
        return managed[0]
    shown = ", ".join(managed)
    if connection.account and connection.account not in managed:
        raise ConfigError(
            f"session.account: {connection.account} is not managed by the login at {connection.host}:"
            f"{connection.port}, which has: {shown}; log in with the right user, or correct session.account"
        )
    if not connection.account and len(managed) != 1:
        raise ConfigError(f"session.account: not given, and the login has: {shown}; name the one to trade")
    account = connection.account or managed[0]
    if not connection.halts_only:
        _check_kind(account, connection.mode)
    return account


def _check_kind(account: str, mode: BrokerMode) -> None:
    is_paper = account.startswith(PAPER_PREFIX)
    if mode is BrokerMode.PAPER and not is_paper:
        raise ConfigError(
            f"account {account} is a LIVE account; --broker paper trades paper accounts only (DU...): "
            "log in to paper trading, or see --broker live"
        )
    if mode is BrokerMode.LIVE and is_paper:
        raise ConfigError(f"account {account} is a paper account; use --broker paper")
