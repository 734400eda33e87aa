"""`drive_ibapi.py PORT`: the scenario by the vendor's own client, through its public API only.

Works with its releases of the module `ibapi` from 9.81 to 10.46, whose callbacks differ a little. See drive_ib.py
for how it talks to the test.
"""

import inspect
import json
import sys
import threading
from collections import defaultdict

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper

PORT = int(sys.argv[1])
CLIENT_ID, WAIT_S = 21, 20.0
FAR_ID, MARKET_ID = 900, 901


def ask(**what):
    print(json.dumps(what), flush=True)
    return json.loads(sys.stdin.readline())


def number(value):
    value = float(value)
    return None if abs(value) > 1e300 else round(value, 4)


class App(EWrapper, EClient):
    """Everything heard, and a condition to wait on."""

    def __init__(self):
        EClient.__init__(self, self)
        self.news = threading.Condition()
        self.heard = defaultdict(list)
        self.status, self.next_id = {}, None

    def hear(self, name, *what):
        with self.news:
            self.heard[name].append(what)
            self.news.notify_all()

    def until(self, condition, what):
        with self.news:
            if not self.news.wait_for(condition, WAIT_S):
                raise TimeoutError(what)

    def listed(self, request, name, end, *arguments):
        """Asks for a list; what came of it."""
        self.heard[name].clear()
        self.heard[end].clear()
        request(*arguments)
        self.until(lambda: self.heard[end], end)
        return list(self.heard[name])

    def error(self, reqId, *what):
        code = what[0] if len(what) < 4 and isinstance(what[1], str) else what[1]
        self.hear("error", reqId, code)

    def nextValidId(self, orderId):
        self.next_id = orderId
        self.hear("nextValidId", orderId)

    def managedAccounts(self, accountsList):
        self.hear("accounts", accountsList)

    def contractDetails(self, reqId, contractDetails):
        self.hear("details", contractDetails)

    def contractDetailsEnd(self, reqId):
        self.hear("detailsEnd")

    def realtimeBar(self, reqId, time, open_, high, low, close, volume, wap, count):
        self.hear("bar", int(time), number(open_), number(close), number(volume))

    def historicalData(self, reqId, bar):
        self.hear("history", int(bar.date), number(bar.open), number(bar.close), number(bar.volume))

    def historicalDataEnd(self, reqId, start, end):
        self.hear("historyEnd")

    def openOrder(self, orderId, contract, order, orderState):
        margin = getattr(orderState, "initMarginChange", "")
        if order.whatIf:
            self.hear("whatIf", number(margin))
        else:
            self.hear("openOrder", order.orderRef)

    def openOrderEnd(self):
        self.hear("openOrderEnd")

    def orderStatus(self, orderId, status, *more):
        with self.news:
            self.status[orderId] = status
        self.hear("status", orderId, status)

    def completedOrder(self, contract, order, orderState):
        self.hear("completed", order.orderRef, orderState.status)

    def completedOrdersEnd(self):
        self.hear("completedEnd")

    def execDetails(self, reqId, contract, execution):
        self.hear(
            "execution" if reqId == -1 else "listed",
            execution.side,
            number(execution.shares),
            execution.orderRef,
        )

    def execDetailsEnd(self, reqId):
        self.hear("listedEnd")

    def commissionReport(self, report):
        self.hear("commission", number(report.commission), number(report.realizedPNL))

    def commissionAndFeesReport(self, report):
        self.hear("commission", number(report.commissionAndFees), number(report.realizedPNL))

    def position(self, account, contract, position, avgCost):
        self.hear("position", account, contract.conId, number(position))

    def positionEnd(self):
        self.hear("positionEnd")

    def updateAccountValue(self, key, val, currency, accountName):
        self.hear("value", key, val)

    def accountDownloadEnd(self, accountName):
        self.hear("valueEnd")

    def accountSummary(self, reqId, account, tag, value, currency):
        self.hear("summary", tag, value)

    def accountSummaryEnd(self, reqId):
        self.hear("summaryEnd")

    def pnl(self, reqId, dailyPnL, unrealizedPnL, realizedPnL):
        self.hear("pnl", realizedPnL)

    def currentTime(self, time):
        self.hear("time", int(time))

    # The two forms of some calls.

    def cancel(self, order_id):
        if len(inspect.signature(EClient.cancelOrder).parameters) == 2:
            self.cancelOrder(order_id)
        else:
            from ibapi.order_cancel import OrderCancel

            self.cancelOrder(order_id, OrderCancel())

    def cancel_everything(self):
        if len(inspect.signature(EClient.reqGlobalCancel).parameters) == 1:
            self.reqGlobalCancel()
        else:
            from ibapi.order_cancel import OrderCancel

            self.reqGlobalCancel(OrderCancel())

    def settle(self):
        """Everything sent before was worked off."""
        self.listed(self.reqCurrentTime, "nothing", "time")


def order_of(kind, side, **more):
    order = Order()
    given = {"orderType": kind, "action": side, "totalQuantity": 1, "tif": "GTC", "outsideRth": True} | more
    given |= {
        "eTradeOnly": False,
        "firmQuoteOnly": False,
    }  # what 9.81 sets by default and no gateway takes any more
    for name, value in given.items():
        setattr(order, name, value)
    return order


def connected(client_id):
    app = App()
    app.connect("127.0.0.1", PORT, client_id)
    threading.Thread(target=app.run, daemon=True).start()
    return app


def drive():
    seen = {}
    app = connected(CLIENT_ID)
    app.until(lambda: app.next_id is not None and app.heard["accounts"], "ready")
    seen["server_version"] = app.serverVersion()
    seen["accounts"] = app.heard["accounts"][0][0].split(",")
    wanted = Contract()
    wanted.symbol, wanted.secType, wanted.exchange = "ES", "FUT", "CME"
    ((details,),) = app.listed(app.reqContractDetails, "details", "detailsEnd", 1, wanted)
    contract = details.contract
    seen["contract"] = {
        "conId": contract.conId,
        "localSymbol": contract.localSymbol,
        "multiplier": contract.multiplier,
        "exchange": contract.exchange,
        "currency": contract.currency,
        "minTick": float(details.minTick),
    }
    contract.lastTradeDateOrContractMonth = contract.lastTradeDateOrContractMonth[:8]

    app.reqRealTimeBars(2, contract, 5, "TRADES", False, [])
    app.settle()
    ask(show=3)
    app.until(lambda: len(app.heard["bar"]) == 3, "bars")
    live = [list(bar) for bar in app.heard["bar"]]
    history = app.listed(
        app.reqHistoricalData,
        "history",
        "historyEnd",
        3,
        contract,
        "",
        "15 S",
        "5 secs",
        "TRADES",
        0,
        2,
        False,
        [],
    )
    seen["bars"], seen["history"] = live, [list(bar) for bar in history]
    app.cancelRealTimeBars(2)
    close = live[-1][2]

    number_ = app.next_id
    app.placeOrder(number_, contract, order_of("MKT", "BUY", whatIf=True))
    app.until(lambda: app.heard["whatIf"], "what-if")
    seen["margin"] = app.heard["whatIf"][0][0]

    entry, target, stop, exit_, far = range(number_ + 1, number_ + 6)
    legs = (entry, target, stop)
    app.placeOrder(entry, contract, order_of("MKT", "BUY", transmit=False, orderRef="entry"))
    app.placeOrder(
        target,
        contract,
        order_of("LMT", "SELL", parentId=entry, lmtPrice=close + 500, transmit=False, orderRef="target"),
    )
    app.settle()
    seen["held_back"] = [0 if one not in app.status else 1 for one in (entry, target)]
    app.placeOrder(
        stop,
        contract,
        order_of("STP", "SELL", parentId=entry, auxPrice=close - 500, transmit=True, orderRef="stop"),
    )
    app.until(lambda: all(one in app.status for one in legs), "the bracket")
    seen["bracket"] = [app.status[one] for one in legs]
    app.listed(app.reqPositions, "position", "positionEnd")
    app.reqAccountUpdates(True, seen["accounts"][0])
    ask(show=1)
    app.until(lambda: app.heard["execution"] and app.heard["commission"], "the fill")
    app.settle()
    seen["after_entry"] = [app.status[one] for one in legs]
    seen["fill"] = list(app.heard["execution"][0])
    seen["commission"] = list(app.heard["commission"][0])
    app.until(lambda: app.heard["position"], "the position")
    seen["position"] = list(app.heard["position"][-1])

    app.placeOrder(
        target,
        contract,
        order_of("LMT", "SELL", parentId=entry, lmtPrice=close + 400, transmit=True, orderRef="target"),
    )
    app.settle()
    seen["modified"] = app.status[target]
    app.cancel(target)
    app.cancel(stop)
    app.until(lambda: app.status[target] == app.status[stop] == "Cancelled", "the cancels")
    seen["cancelled"] = [app.status[target], app.status[stop]]
    seen["codes"] = sorted(code for about, code in app.heard["error"] if about in legs)

    app.placeOrder(exit_, contract, order_of("MKT", "SELL", orderRef="exit"))
    app.until(lambda: exit_ in app.status, "the exit")
    ask(show=1)
    app.until(lambda: len(app.heard["commission"]) == 2, "the exit's fill")
    app.settle()
    seen["exit"] = [app.status[exit_], app.heard["commission"][1][1] < 0]
    app.placeOrder(far, contract, order_of("LMT", "BUY", lmtPrice=close - 500, orderRef="far"))
    app.until(lambda: far in app.status, "the far order")
    seen["open"] = sorted({ref for (ref,) in app.listed(app.reqOpenOrders, "openOrder", "openOrderEnd")})
    seen["all_open"] = sorted(
        {ref for (ref,) in app.listed(app.reqAllOpenOrders, "openOrder", "openOrderEnd")}
    )
    app.cancel_everything()
    app.until(lambda: app.status[far] == "Cancelled", "the global cancel")
    seen["completed"] = sorted(set(app.listed(app.reqCompletedOrders, "completed", "completedEnd", False)))

    seen["executions"] = [
        ref for *_, ref in app.listed(app.reqExecutions, "listed", "listedEnd", 5, ExecutionFilter())
    ]
    only_sells = ExecutionFilter()
    only_sells.side = "SELL"
    seen["sells"] = [ref for *_, ref in app.listed(app.reqExecutions, "listed", "listedEnd", 6, only_sells)]

    values = dict(app.listed(app.reqAccountUpdates, "value", "valueEnd", True, seen["accounts"][0]))
    summary = dict(app.listed(app.reqAccountSummary, "summary", "summaryEnd", 7, "All", "NetLiquidation"))
    seen["account"] = [values["AccountType"], values["NetLiquidation"] == summary["NetLiquidation"]]
    app.reqPnL(8, seen["accounts"][0], "")
    app.until(lambda: app.heard["pnl"], "the profit")
    seen["pnl"] = app.heard["pnl"][0][0] < 0
    app.listed(app.reqCurrentTime, "nothing", "time")
    seen["time"] = app.heard["time"][0][0]

    refused = connected(CLIENT_ID)
    refused.until(lambda: any(code == 326 for _, code in refused.heard["error"]), "the refusal")
    seen["same_client_id"] = [code for _, code in refused.heard["error"] if code == 326]
    app.disconnect()
    print(json.dumps({"seen": seen}), flush=True)


drive()
