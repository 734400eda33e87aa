"""`python -m mia_actors.exchange.gateway`: the gateway as a process."""

import argparse
import asyncio
import datetime as dt
import json
import signal
import sys
from pathlib import Path

from mia_actors.core.clock import SystemClock, time_ns_of
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.gateway.client import ApiClient
from mia_actors.exchange.gateway.control import serve_control
from mia_actors.exchange.gateway.server import Gateway, Role
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.telemetry.logs import configure_logging

LOOPBACK = "127.0.0.1"
EXIT_FAILED, EXIT_USAGE = 1, 2


def _moment_ns(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    return time_ns_of(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mia gateway", description="A simulated TWS gateway.")
    parser.add_argument("--tape", required=True)
    parser.add_argument("--date", type=dt.date.fromisoformat)
    parser.add_argument("--from", dest="from_ns", type=_moment_ns)
    parser.add_argument("--to", dest="to_ns", type=_moment_ns)
    parser.add_argument("--contract")
    parser.add_argument("--history-days", type=int, default=10)
    parser.add_argument("--cycles", type=int)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--pace", default="lockstep")
    parser.add_argument("--lockstep-roles", default="cycle,guardian")
    parser.add_argument("--master-client-id", type=int, default=12)
    parser.add_argument("--autostart", action="store_true")
    parser.add_argument("--detach", action="store_true", help="go on when standard input ends")
    parser.add_argument("--log-directory", type=Path)
    return parser.parse_args()


def _gateway(arguments: argparse.Namespace) -> tuple[Gateway, Tape]:
    tape = load_tape(
        TapeSelection(
            source=arguments.tape,
            date=arguments.date,
            from_ns=arguments.from_ns,
            to_ns=arguments.to_ns,
            contract=arguments.contract,
            history_days=arguments.history_days,
        )
    )
    paced = arguments.pace != "lockstep"
    gateway = Gateway(
        tape,
        clock=SystemClock(),
        lockstep_roles=frozenset(Role(name) for name in arguments.lockstep_roles.split(",") if name),
        pace=float(arguments.pace.removesuffix("x")) if paced else None,
        master_client_id=arguments.master_client_id,
        bars_max=arguments.cycles,
    )
    return gateway, tape


async def _serve(gateway: Gateway, tape: Tape, arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    gateway.on_stop = ended.set
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if not arguments.detach:
        await loop.connect_read_pipe(lambda: _EndOfInput(ended), sys.stdin)
    server = await loop.create_server(lambda: ApiClient(gateway), LOOPBACK, arguments.port)
    control = await asyncio.start_server(
        lambda reader, writer: serve_control(gateway, reader, writer), LOOPBACK, arguments.control_port
    )
    hello = {
        "tws_port": server.sockets[0].getsockname()[1],
        "control_port": control.sockets[0].getsockname()[1],
        "contract": tape.contract.instrument,
        "base_timeframe": tape.base_timeframe.value,
        "bars": len(gateway.bars),
        "first_bar_start_ns": gateway.bars[0].start_ns,
        "last_bar_end_ns": gateway.last_bar_end_ns,
    }
    sys.stdout.write(json.dumps(hello) + "\n")
    sys.stdout.flush()
    sys.stderr.write(
        f"SIMULATION: {tape.contract.instrument} from {tape.source_name}, account {gateway.account}; "
        f"TWS API on {LOOPBACK}:{hello['tws_port']}\n"
    )
    if arguments.autostart:
        gateway.start()
    await ended.wait()
    server.close()
    control.close()


class _EndOfInput(asyncio.Protocol):
    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended.set()


def main() -> int:
    """Serves until stopped; 1 when a port is taken, 2 when the tape cannot be used."""
    arguments = _arguments()
    configure_logging(directory=arguments.log_directory, process="gateway")
    try:
        gateway, tape = _gateway(arguments)
        asyncio.run(_serve(gateway, tape, arguments))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except OSError as error:
        ports = f"--port {arguments.port}, --control-port {arguments.control_port}"
        sys.stderr.write(f"{ports}: {error.strerror}; name another port, or 0 for a free one\n")
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
