"""The control port: one JSON document a line, one answer each."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from mia_actors.core.errors import ConfigError
from mia_actors.exchange.gateway.faults import Fault
from mia_actors.exchange.gateway.market import Role
from mia_actors.exchange.gateway.server import Gateway

Request: TypeAlias = dict[str, Any]
Answer: TypeAlias = dict[str, object]


async def serve_control(gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one connection until it ends; a line that is no request is answered with an error."""
    try:
        while line := await reader.readline():
            writer.write(json.dumps(_answer(gateway, line)).encode() + b"\n")
            await writer.drain()
    except ValueError:
        gateway.note_malformed("control line")
    except ConnectionError:
        return  # whoever asked did not wait for the answer
    except asyncio.CancelledError:
        return  # the gateway ends; raised on, asyncio would report it as a failure of the connection
    finally:
        writer.close()


def _answer(gateway: Gateway, line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
        operation = OPERATIONS.get(request["op"])
        if operation is not None:
            return {"ok": True, **operation(gateway, request)}
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}
    return {"ok": False, "error": f"op {request['op']!r}; allowed: {', '.join(sorted(OPERATIONS))}"}


def _ack(gateway: Gateway, request: Request) -> Answer:
    return {"finished": gateway.acknowledge(Role(request["role"]), int(request["until_ns"]))}


def _start(gateway: Gateway, _request: Request) -> Answer:
    gateway.start()
    return {}


def _stop(gateway: Gateway, _request: Request) -> Answer:
    gateway.on_stop()
    return {}


def _fault(gateway: Gateway, request: Request) -> Answer:
    gateway.faults.arm(Fault.model_validate(request["fault"]))
    return {}


def _close_market(gateway: Gateway, request: Request) -> Answer:
    gateway.close_market(str(request["reason"]))
    return {}


OPERATIONS: dict[str, Callable[[Gateway, Request], Answer]] = {
    "ack": _ack,
    "close_market": _close_market,
    "cancels": lambda gateway, request: {"cancels": gateway.cancels.after(int(request["after"]))},
    "fault": _fault,
    "drop": lambda gateway, request: {"dropped": gateway.drop(int(request["client_id"]))},
    "orders": lambda gateway, _: {"orders": gateway.orders()},
    "start": _start,
    "status": lambda gateway, _: gateway.status(),
    "stop": _stop,
}
