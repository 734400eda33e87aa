"""The control port: one JSON document a line, one answer each."""

import asyncio
import json

from mia_actors.exchange.gateway.server import Gateway, Role


async def serve_control(gateway: Gateway, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one connection until it ends; a line that is no request is answered with an error."""
    try:
        while line := await reader.readline():
            writer.write(json.dumps(_answer(gateway, line)).encode() + b"\n")
            await writer.drain()
    except (ConnectionError, ValueError):
        gateway.note_malformed("control line")
    except asyncio.CancelledError:
        return  # the gateway ends; raised on, asyncio would report it as a failure of the connection
    finally:
        writer.close()


def _answer(gateway: Gateway, line: bytes) -> dict[str, object]:
    try:
        request = json.loads(line)
        operation = request["op"]
        if operation == "ack":
            finished = gateway.acknowledge(Role(request["role"]), int(request["until_ns"]))
            return {"ok": True, "finished": finished}
        if operation == "start":
            gateway.start()
            return {"ok": True}
        if operation == "status":
            return {"ok": True, **gateway.status()}
        if operation == "stop":
            gateway.on_stop()
            return {"ok": True}
    except (ValueError, KeyError, TypeError) as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}
    return {"ok": False, "error": f"op {operation!r}; allowed: ack, start, status, stop"}
