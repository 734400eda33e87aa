"""Frames the gateway sends, each as a list of fields. Pure; versions 157 to 178 where they differ."""

from collections.abc import Sequence
from decimal import Decimal

from mia_actors.core.clock import NS_PER_S, utc_datetime
from mia_actors.core.market import Bar
from mia_actors.core.orders import OrderState, OrderType
from mia_actors.core.units import Contract, Product
from mia_actors.exchange.gateway.framing import UNSET_DOUBLE, Field
from mia_actors.exchange.gateway.order_frames import COMPLETED_ORDER, OPEN_ORDER, fields
from mia_actors.exchange.orders import AccountValues, ExchangeOrder, Execution

ERROR_HAS_JSON = 166
DETAILS_WITHOUT_VERSION = 164
EXECUTION_HAS_REVISION = 178
MARKET_RULE = 67
SIDES = {"BUY": "BOT", "SELL": "SLD"}
NOTICES = (
    (2104, "Market data farm connection is OK:simulated"),
    (2106, "HMDS data farm connection is OK:simulated"),
    (2158, "Sec-def data farm connection is OK:simulated"),
)


class Formatter:
    """Frames for one client at one server version, about one contract and one account."""

    def __init__(self, version: int, contract: Contract, product: Product, account: str) -> None:
        self._version = version
        self._contract = contract
        self._product = product
        self._account = account

    def error(self, request_id: int, code: int, message: str) -> list[Field]:
        """A notice or an error; -1 when it belongs to no request."""
        found: list[Field] = [4, 2, request_id, code, message]
        return [*found, ""] if self._version >= ERROR_HAS_JSON else found

    def contract_details(self, request_id: int) -> list[Field]:
        """The contract, complete enough to be qualified."""
        contract, product = self._contract, self._product
        head: list[Field] = [10] if self._version >= DETAILS_WITHOUT_VERSION else [10, 8]
        found: list[Field] = [
            *head,
            request_id,
            contract.symbol,
            "FUT",
            f"{contract.expiry} 08:30 US/Central",
            0,
            "",
            product.exchange,
            product.currency,
            contract.instrument,
            contract.symbol,
            contract.symbol,
            contract.con_id,
            product.tick_size,
        ]
        if self._version < DETAILS_WITHOUT_VERSION:
            found.append("")
        found += [
            product.multiplier,
            "LMT,MKT,STP,STPLMT",
            product.exchange,
            1,
            11004968,
            "E-mini S&P 500 (simulated)",
            "",
            contract.month,
            "",
            "",
            "",
            "US/Central",
            "",
            "",
            "",
            "",
            0,
            2147483647,
            contract.symbol,
            "IND",
            f"{MARKET_RULE},{MARKET_RULE}",
            contract.expiry,
            "",
        ]
        if self._version >= DETAILS_WITHOUT_VERSION:
            found += [1, 1, 1]
        elif self._version >= DETAILS_WITHOUT_VERSION - 1:
            found.append(1)
        return found

    def realtime_bar(self, request_id: int, bar: Bar) -> list[Field]:
        """A 5-second bar."""
        return [
            50,
            3,
            request_id,
            bar.start_ns // NS_PER_S,
            *self._prices(bar),
            bar.volume,
            self._wap(bar),
            1,
        ]

    def historical(self, request_id: int, bars: Sequence[Bar], *, epoch: bool) -> list[Field]:
        """Bars of a historical request; the frame also ends it."""
        first = self._stamp(bars[0].start_ns, epoch=False) if bars else ""
        last = self._stamp(bars[-1].end_ns, epoch=False) if bars else ""
        found: list[Field] = [17, request_id, first, last, len(bars)]
        for bar in bars:
            stamp = self._stamp(bar.start_ns, epoch=epoch)
            found += [stamp, *self._prices(bar), bar.volume, self._wap(bar), 1]
        return found

    def open_order(self, order: ExchangeOrder, order_id: int, parent_order_id: int) -> list[Field]:
        """An order that works, or its last state."""
        return list(
            fields(
                OPEN_ORDER,
                self._version,
                self._order_values(order)
                | {
                    "msgId": "5",
                    "orderId": str(order_id),
                    "clientId": str(order.client_id),
                    "sharesAllocation(obsolete)": f"{order.perm_id}.0/{self._account}/100",
                    "parentId": str(parent_order_id),
                },
            )
        )

    def what_if(self, values: dict[str, str], margin_usd: Decimal) -> list[Field]:
        """The answer to a what-if order."""
        shown = {
            "msgId": "5",
            "whatIf": "1",
            "status": "PreSubmitted",
            "commissionCurrency": "USD",
            "initMarginChange": str(margin_usd),
            "maintMarginChange": str(margin_usd),
        }
        return list(fields(OPEN_ORDER, self._version, values | shown))

    def completed_order(self, order: ExchangeOrder) -> list[Field]:
        """An order that ended; the wire carries neither its order id nor its client id."""
        filled = order.state is OrderState.FILLED
        status = f"Filled Size: {order.filled}" if filled else order.reason or "Cancelled"
        return list(
            fields(
                COMPLETED_ORDER,
                self._version,
                self._order_values(order)
                | {
                    "msgId": "101",
                    "filledQuantity": str(order.filled),
                    "completedTime": _date_text(order.finished_at_ns or 0),
                    "completedStatus": status,
                },
            )
        )

    def order_status(self, order: ExchangeOrder, order_id: int, parent_order_id: int) -> list[Field]:
        """Where an order stands."""
        price = self._average(order)
        return [
            3,
            order_id,
            status_word(order),
            order.filled,
            order.remaining,
            price,
            order.perm_id,
            parent_order_id,
            price,
            order.client_id,
            "",
            0.0,
        ]

    def execution(self, request_id: int, execution: Execution, order_id: int) -> list[Field]:
        """A fill, live (-1) or asked for."""
        order, product = execution.order, self._product
        price = product.price_of(execution.price_ticks)
        found: list[Field] = [
            11,
            request_id,
            order_id,
            *self._short_contract(product.exchange),
            execution.exec_id,
            self._stamp(execution.event_time_ns, epoch=False),
            self._account,
            product.exchange,
            SIDES[execution.side.value],
            execution.quantity,
            price,
            order.perm_id,
            order.client_id,
            0,
            order.filled,
            price,
            order.order_ref,
            "",
            "",
            "",
            2,
        ]
        return [*found, 0] if self._version >= EXECUTION_HAS_REVISION else found

    def commission(self, execution: Execution) -> list[Field]:
        """What a fill cost."""
        realized = UNSET_DOUBLE if execution.realized_pnl_usd is None else execution.realized_pnl_usd
        return [59, 1, execution.exec_id, execution.commission_usd, "USD", realized, "", ""]

    def position(self, contracts: int, average_ticks: Decimal | None) -> list[Field]:
        """The account's position; average cost is price times multiplier."""
        cost = Decimal(0)
        if average_ticks is not None:
            cost = average_ticks * self._product.tick_size * self._product.multiplier
        return [61, 3, self._account, *self._short_contract(""), contracts, cost]

    def account_value(self, tag: str, value: str) -> list[Field]:
        """One line of the account updates."""
        return [6, 2, tag, value, "USD", self._account]

    def _short_contract(self, exchange: str) -> list[Field]:
        contract, product = self._contract, self._product
        return [
            contract.con_id,
            contract.symbol,
            "FUT",
            contract.expiry,
            0.0,
            "",
            product.multiplier,
            exchange,
            product.currency,
            contract.instrument,
            contract.symbol,
        ]

    def _order_values(self, order: ExchangeOrder) -> dict[str, str]:
        contract, product = self._contract, self._product
        return {
            "conId": str(contract.con_id),
            "symbol": contract.symbol,
            "secType": "FUT",
            "lastTradeDateOrContractMonth": contract.expiry,
            "multiplier": str(product.multiplier),
            "exchange": product.exchange,
            "currency": product.currency,
            "localSymbol": contract.instrument,
            "tradingClass": contract.symbol,
            "action": order.side.value,
            "totalQuantity": str(order.quantity),
            "orderType": order.order_type.value,
            "lmtPrice": self._price_text(order.limit_ticks),
            "auxPrice": self._price_text(order.stop_ticks),
            "tif": order.tif.value,
            "ocaGroup": order.oca_group,
            "account": self._account,
            "orderRef": order.order_ref,
            "permId": str(order.perm_id),
            "outsideRth": "1",
            "status": status_word(order),
        }

    def _price_text(self, ticks: int | None) -> str:
        return "0.0" if ticks is None else str(float(self._product.price_of(ticks)))

    def _prices(self, bar: Bar) -> list[Field]:
        ticks = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
        return [float(self._product.price_of(one)) for one in ticks]

    def _wap(self, bar: Bar) -> float:
        return float(self._product.price_of(bar.high_ticks + bar.low_ticks + bar.close_ticks) / 3)

    def _average(self, order: ExchangeOrder) -> float:
        if order.average_price_ticks is None:
            return 0.0
        return float(order.average_price_ticks * self._product.tick_size)

    def _stamp(self, time_ns: int, *, epoch: bool) -> Field:
        if epoch:
            return time_ns // NS_PER_S
        return _date_text(time_ns)


def _date_text(time_ns: int) -> str:
    return utc_datetime(time_ns).strftime("%Y%m%d %H:%M:%S UTC")


def status_word(order: ExchangeOrder) -> str:
    """TWS's word for an order's state."""
    if order.state is OrderState.WORKING:
        waits = order.held or order.order_type in {OrderType.STOP, OrderType.STOP_LIMIT}
        return "PreSubmitted" if waits else "Submitted"
    words = {OrderState.FILLED: "Filled", OrderState.REJECTED: "Inactive"}
    return words.get(order.state, "Cancelled")


def account_lines(values: AccountValues) -> tuple[tuple[str, str], ...]:
    """Tags of the account updates and the summary."""
    return (
        ("AccountType", "SIMULATED"),
        ("NetLiquidation", f"{values.net_liquidation_usd:.2f}"),
        ("TotalCashValue", f"{values.cash_usd:.2f}"),
        ("InitMarginReq", f"{values.initial_margin_usd:.2f}"),
        ("MaintMarginReq", f"{values.initial_margin_usd:.2f}"),
        ("AvailableFunds", f"{values.available_usd:.2f}"),
        ("RealizedPnL", f"{values.realized_usd:.2f}"),
        ("UnrealizedPnL", f"{values.unrealized_usd:.2f}"),
    )
