"""The expiries a gateway lists beside that of its tape, and their past where the tape's file has it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mia_actors.core.errors import ConfigError
from mia_actors.core.units import Contract, Product
from mia_actors.exchange.contract_names import contract_of_month
from mia_actors.exchange.gateway.history import History
from mia_actors.exchange.gateway.refusals import NO_CONTRACT, Refused
from mia_actors.exchange.synthetic import is_synthetic
from mia_actors.exchange.tape import TapeSelection, load_tape

QUARTER_MONTHS = 3
MONTHS_A_YEAR = 12


def next_quarters(contract: Contract, count: int) -> tuple[Contract, ...]:
    """The contracts of a quarterly cycle after one of it, nearest first."""
    first = int(contract.month[:4]) * MONTHS_A_YEAR + int(contract.month[4:]) - 1
    months = (first + QUARTER_MONTHS * number for number in range(1, count + 1))
    return tuple(
        contract_of_month(contract.symbol, month // MONTHS_A_YEAR, month % MONTHS_A_YEAR + 1)
        for month in months
    )


def pasts_of(selection: TapeSelection, contracts: Sequence[Contract]) -> dict[Contract, History]:
    """What each contract did before the session; empty where the tape's file does not have it."""
    return {contract: _past(selection, contract) for contract in contracts}


def _past(selection: TapeSelection, contract: Contract) -> History:
    if is_synthetic(selection.source):
        return History(())
    try:
        return History(load_tape(replace(selection, contract=contract.instrument)).history)
    except ConfigError:
        return History(())


def meant(
    request_id: int, wanted: Sequence[str], listed: Mapping[Contract, History], product: Product
) -> tuple[Contract, ...]:
    """Contracts that the wire's twelve fields can mean, of those listed, the tape's first; a CONTFUT means that one.

    Raises:
        Refused: none.
    """
    con_id, symbol, kind, expiry, _, _, _, exchange, _, _, local, _ = wanted
    found = tuple(
        contract
        for contract in listed
        if con_id in {"0", "", str(contract.con_id)}
        and symbol in {"", contract.symbol}
        and kind in {"", "FUT", "CONTFUT"}
        and (expiry == "" or contract.expiry.startswith(expiry[:8]))
        and exchange in {"", product.exchange}
        and local in {"", contract.instrument}
    )
    if not found:
        raise Refused(request_id, NO_CONTRACT, "No security definition has been found for the request")
    return found[:1] if kind == "CONTFUT" else found
