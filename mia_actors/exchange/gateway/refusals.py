"""Requests that are refused, with TWS's codes. Pure."""

from collections.abc import Sequence

from mia_actors.core.units import Contract, Product

NO_CONTRACT = 200
REJECTED = 201
"""The exchange, not the form of the request, says no."""


class Refused(Exception):
    """A request the gateway answers with an error."""

    def __init__(self, request_id: int, code: int, text: str) -> None:
        super().__init__(text)
        self.request_id, self.code, self.text = request_id, code, text


def require_contract(request_id: int, wanted: Sequence[str], contract: Contract, product: Product) -> None:
    """Lets the wire's twelve contract fields pass when they can mean the one contract there is.

    Raises:
        Refused: they mean another.
    """
    con_id, symbol, kind, expiry, _, _, _, exchange, _, _, local, _ = wanted
    if not (
        con_id in {"0", "", str(contract.con_id)}
        and symbol in {"", contract.symbol}
        and kind in {"", "FUT", "CONTFUT"}
        and (expiry == "" or contract.expiry.startswith(expiry[:8]))
        and exchange in {"", product.exchange}
        and local in {"", contract.instrument}
    ):
        raise Refused(request_id, NO_CONTRACT, "No security definition has been found for the request")
