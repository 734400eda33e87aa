"""`drive_ib.py ib_insync|ib_async PORT`: the scenario by one of the two asyncio clients, through its public API only.

Runs with nothing but that client installed. Says what it needs of the market on standard output, one JSON
document a line, and goes on when a line comes back; the last one holds what it saw.
"""

import asyncio
import importlib
import json
import math
import sys

LIBRARY, PORT = sys.argv[1], int(sys.argv[2])
lib = importlib.import_module(LIBRARY)
CLIENT_ID, WAIT_S = 21, 20.0


def ask(**what):
    print(json.dumps(what), flush=True)
    return json.loads(sys.stdin.readline())


def number(value):
    return None if value is None or math.isnan(value) or abs(value) > 1e300 else round(float(value), 4)


async def until(condition, what):
    for _ in range(int(WAIT_S / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(what)


def order_of(kind, side, **more):
    return lib.Order(orderType=kind, action=side, totalQuantity=1, tif="GTC", outsideRth=True, **more)


async def drive():
    seen = {}
    errors = []
    ib = lib.IB()
    ib.errorEvent += lambda number, code, text, contract: errors.append((number, code))
    await ib.connectAsync("127.0.0.1", PORT, CLIENT_ID, timeout=WAIT_S)
    seen["server_version"] = ib.client.serverVersion()
    seen["accounts"] = ib.managedAccounts()

    (details,) = await ib.reqContractDetailsAsync(lib.Future("ES", exchange="CME"))
    contract = details.contract
    seen["contract"] = {
        "conId": contract.conId,
        "localSymbol": contract.localSymbol,
        "multiplier": contract.multiplier,
        "exchange": contract.exchange,
        "currency": contract.currency,
        "minTick": details.minTick,
    }

    bars = ib.reqRealTimeBars(contract, 5, "TRADES", useRTH=False)
    await ib.reqCurrentTimeAsync()
    ask(show=3)
    await until(lambda: len(bars) == 3, "bars")
    live = [
        [int(bar.time.timestamp()), number(bar.open_), number(bar.close), number(bar.volume)] for bar in bars
    ]
    history = await ib.reqHistoricalDataAsync(
        contract, "", "15 S", "5 secs", "TRADES", useRTH=False, formatDate=2
    )
    seen["bars"] = live
    seen["history"] = [
        [int(bar.date.timestamp()), number(bar.open), number(bar.close), number(bar.volume)]
        for bar in history
    ]
    ib.cancelRealTimeBars(bars)
    close = bars[-1].close

    margin = await ib.whatIfOrderAsync(contract, order_of("MKT", "BUY"))
    seen["margin"] = number(float(margin.initMarginChange))

    fills, commissions = [], []
    ib.execDetailsEvent += lambda trade, fill: fills.append(fill)
    ib.commissionReportEvent += lambda trade, fill, report: commissions.append(report)
    entry_id = ib.client.getReqId()
    legs = [
        order_of("MKT", "BUY", orderId=entry_id, transmit=False, orderRef="entry"),
        order_of(
            "LMT",
            "SELL",
            orderId=ib.client.getReqId(),
            parentId=entry_id,
            lmtPrice=close + 500,
            transmit=False,
            orderRef="target",
        ),
        order_of(
            "STP",
            "SELL",
            orderId=ib.client.getReqId(),
            parentId=entry_id,
            auxPrice=close - 500,
            transmit=True,
            orderRef="stop",
        ),
    ]
    trades = [ib.placeOrder(contract, leg) for leg in legs[:2]]
    await ib.reqCurrentTimeAsync()
    seen["held_back"] = [trade.orderStatus.permId for trade in trades]
    trades.append(ib.placeOrder(contract, legs[2]))
    await until(lambda: all(trade.orderStatus.permId for trade in trades), "the bracket")
    seen["bracket"] = [trade.orderStatus.status for trade in trades]
    ask(show=1)
    await until(lambda: len(fills) == 1 and len(commissions) == 1, "the fill")
    await ib.reqCurrentTimeAsync()
    seen["after_entry"] = [trade.orderStatus.status for trade in trades]
    seen["fill"] = [fills[0].execution.side, number(fills[0].execution.shares), fills[0].execution.orderRef]
    # Both libraries write 0 for the wire's "no value".
    seen["commission"] = [number(commissions[0].commission), number(commissions[0].realizedPNL) or None]
    await until(lambda: ib.positions(), "the position")
    (position,) = ib.positions()
    seen["position"] = [position.account, position.contract.conId, number(position.position)]

    trades[1].order.lmtPrice = close + 400
    ib.placeOrder(contract, trades[1].order)
    await ib.reqCurrentTimeAsync()
    seen["modified"] = trades[1].orderStatus.status
    ib.cancelOrder(trades[1].order)
    ib.cancelOrder(trades[2].order)
    await until(lambda: all(trade.isDone() for trade in trades), "the cancels")
    seen["cancelled"] = [trade.orderStatus.status for trade in trades[1:]]
    seen["codes"] = sorted(code for number_, code in errors if number_ in {leg.orderId for leg in legs})

    exit_trade = ib.placeOrder(contract, order_of("MKT", "SELL", orderRef="exit"))
    await until(lambda: exit_trade.orderStatus.permId, "the exit")
    ask(show=1)
    await until(lambda: len(commissions) == 2, "the exit's fill")
    seen["exit"] = [exit_trade.orderStatus.status, commissions[1].realizedPNL < 0]
    far = ib.placeOrder(contract, order_of("LMT", "BUY", lmtPrice=close - 500, orderRef="far"))
    await until(lambda: far.orderStatus.permId, "the far order")
    seen["open"] = sorted(
        {trade.order.orderRef for trade in await ib.reqOpenOrdersAsync() if trade.isActive()}
    )
    seen["all_open"] = sorted(
        {trade.order.orderRef for trade in await ib.reqAllOpenOrdersAsync() if trade.isActive()}
    )
    ib.reqGlobalCancel()
    await until(far.isDone, "the global cancel")
    completed = await ib.reqCompletedOrdersAsync(apiOnly=False)
    seen["completed"] = sorted({(trade.order.orderRef, trade.orderStatus.status) for trade in completed})

    executions = await ib.reqExecutionsAsync()
    sells = await ib.reqExecutionsAsync(lib.ExecutionFilter(side="SELL"))
    seen["executions"] = [fill.execution.orderRef for fill in executions]
    seen["sells"] = [fill.execution.orderRef for fill in sells]

    values = {
        value.tag: value.value
        for value in ib.accountValues()
        if value.tag in {"NetLiquidation", "AccountType"}
    }
    summary = {
        value.tag: value.value for value in await ib.accountSummaryAsync() if value.tag == "NetLiquidation"
    }
    seen["account"] = [values["AccountType"], values["NetLiquidation"] == summary["NetLiquidation"]]
    pnl = ib.reqPnL(ib.managedAccounts()[0])
    await until(lambda: not math.isnan(pnl.realizedPnL), "the profit")
    seen["pnl"] = pnl.realizedPnL < 0
    seen["time"] = int((await ib.reqCurrentTimeAsync()).timestamp())

    refused = lib.IB()
    codes = []
    refused.errorEvent += lambda number, code, text, contract: codes.append(code)
    try:
        await refused.connectAsync("127.0.0.1", PORT, CLIENT_ID, timeout=1.0)
    except (TimeoutError, asyncio.TimeoutError, ConnectionError):
        pass
    seen["same_client_id"] = codes
    ib.disconnect()
    print(json.dumps({"seen": seen}), flush=True)


asyncio.run(drive())
