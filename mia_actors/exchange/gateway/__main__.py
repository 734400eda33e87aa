"""`python -m mia_actors.exchange.gateway`: the gateway as a process."""

import argparse
import asyncio
import datetime as dt
import json
import math
import os
import signal
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Never

from mia_actors.core.clock import SystemClock, time_ns_of
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.gateway import trading_hours
from mia_actors.exchange.gateway.access import AccessTerms
from mia_actors.exchange.gateway.client import ApiClient
from mia_actors.exchange.gateway.control import serve_control
from mia_actors.exchange.gateway.faults import load_script
from mia_actors.exchange.gateway.journal import GatewayJournal
from mia_actors.exchange.gateway.market import MarketChange, Role, SimulatedMarket
from mia_actors.exchange.gateway.server import Gateway
from mia_actors.exchange.orders import Costs
from mia_actors.exchange.tape import Tape, TapeSelection, load_tape
from mia_actors.telemetry.logs import configure_logging

LOOPBACK = "127.0.0.1"
PORT_MAX = 65_535
EXIT_FAILED, EXIT_USAGE = 1, 2


class PortTaken(Exception):
    """A port cannot be listened on."""


class _Parser(argparse.ArgumentParser):
    """Tells a wrong option in one line, as every other configuration error is told."""

    def error(self, message: str) -> Never:
        raise ConfigError(message)


def _moment_ns(text: str) -> int:
    moment = dt.datetime.fromisoformat(text)
    return time_ns_of(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > PORT_MAX:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: 0 to {PORT_MAX}, 0 takes a free one")
    return int(text)


def _listening(text: str) -> tuple[socket.socket, socket.socket]:
    """Sockets for the TWS API and for control that whoever started this process listens on already."""
    try:
        tws, control = (socket.socket(fileno=int(number)) for number in text.split(","))
    except (ValueError, OSError):
        raise argparse.ArgumentTypeError(
            f"{text!r}: allowed: two inherited sockets, as TWS,CONTROL"
        ) from None
    return tws, control


def _cycles(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: 1 or more")
    return int(text)


def _pace(text: str) -> float | None:
    """None for lockstep."""
    if text == "lockstep":
        return None
    try:
        pace = float(text.removesuffix("x"))
    except ValueError:
        pace = math.nan
    if not 0 < pace < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: lockstep, or a multiple of real time: 1x, 60x")
    return pace


def _share(text: str) -> Decimal:
    try:
        share = Decimal(text)
    except InvalidOperation:
        share = Decimal("nan")
    if not 0 < share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: more than 0, at most 1")
    return share


def _roles(text: str) -> frozenset[Role]:
    try:
        return frozenset(Role(name) for name in text.split(",") if name)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed: {', '.join(Role)}") from None


def _arguments() -> argparse.Namespace:
    parser = _Parser(prog="mia gateway", description="A simulated TWS gateway.", allow_abbrev=False)
    parser.add_argument("--tape", required=True)
    parser.add_argument("--date", type=dt.date.fromisoformat)
    parser.add_argument("--from", dest="from_ns", type=_moment_ns)
    parser.add_argument("--to", dest="to_ns", type=_moment_ns)
    parser.add_argument("--contract")
    parser.add_argument("--history-days", type=int, default=10)
    parser.add_argument("--cycles", type=_cycles)
    parser.add_argument("--port", type=_port, default=0)
    parser.add_argument("--control-port", type=_port, default=0)
    parser.add_argument("--listening", type=_listening, help="inherited sockets instead of ports")
    parser.add_argument("--journal", type=Path, help="go on where the gateway that wrote it ended")
    parser.add_argument("--pace", type=_pace, default="lockstep")
    parser.add_argument("--lockstep-roles", type=_roles, default="cycle,guardian")
    parser.add_argument("--master-client-id", type=int, default=12)
    parser.add_argument(
        "--fill-share", type=_share, help="an order gets at most this share of a bar's volume"
    )
    parser.add_argument("--fault-script", type=Path, help="YAML file of faults, see docs/faults.md")
    parser.add_argument("--read-only", action="store_true", help="as TWS with Read-Only API ticked")
    parser.add_argument("--no-market-data", action="store_true", help="as an account without subscriptions")
    parser.add_argument("--pacing", action="store_true", help="TWS's limits to the pace of requests hold")
    parser.add_argument("--autostart", action="store_true")
    parser.add_argument("--detach", action="store_true", help="go on when standard input ends")
    parser.add_argument("--log-directory", type=Path)
    return parser.parse_args()


def _market(arguments: argparse.Namespace) -> tuple[SimulatedMarket, Tape]:
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
    market = SimulatedMarket(
        tape,
        lockstep_roles=arguments.lockstep_roles if arguments.pace is None else frozenset(),
        bars_max=arguments.cycles,
        costs=Costs(fill_share_max=arguments.fill_share),
    )
    return market, tape


def _unrecorded(_change: MarketChange) -> None:
    """Nobody asked for a journal."""


async def _serve(
    gateway: Gateway, market: SimulatedMarket, tape: Tape, arguments: argparse.Namespace
) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    gateway.on_stop = ended.set
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    tws_socket, control_socket = arguments.listening or (
        _bound("--port", arguments.port),
        _bound("--control-port", arguments.control_port),
    )
    server = await loop.create_server(lambda: ApiClient(gateway), sock=tws_socket)
    control = await asyncio.start_server(
        lambda reader, writer: serve_control(gateway, reader, writer), sock=control_socket
    )
    if not arguments.detach and _ends():
        await loop.connect_read_pipe(lambda: _EndOfInput(ended), sys.stdin)
    hello = {
        "tws_port": server.sockets[0].getsockname()[1],
        "control_port": control.sockets[0].getsockname()[1],
        "contract": tape.contract.instrument,
        "base_timeframe": tape.base_timeframe.value,
        "bars": len(market.bars),
        "first_bar_start_ns": market.bars[0].start_ns,
        "last_bar_end_ns": market.last_bar_end_ns,
    }
    sys.stdout.write(json.dumps(hello) + "\n")
    sys.stdout.flush()
    sys.stderr.write(
        f"SIMULATION: {tape.contract.instrument} from {tape.source_name}, account {gateway.account}; "
        f"TWS API on {LOOPBACK}:{hello['tws_port']}\n"
    )
    if arguments.autostart or market.started:
        gateway.start()
    await ended.wait()
    server.close()
    control.close()


def _bound(option: str, port: int) -> socket.socket:
    """A listening socket; says which port cannot be had, and what to do about it."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortTaken(f"{option} {port}: {reason}; name another port, or 0 for a free one") from error


def _ends() -> bool:
    """Whether standard input is something whose end is told: an owner's pipe or a terminal."""
    if sys.stdin is None:
        return False
    kind = os.fstat(sys.stdin.fileno()).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or sys.stdin.isatty()


class _EndOfInput(asyncio.Protocol):
    def __init__(self, ended: asyncio.Event) -> None:
        self._ended = ended

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._ended.set()


def main() -> int:
    """Serves until stopped; 1 when a port is taken, 2 when an option or the tape cannot be used."""
    try:
        arguments = _arguments()
        configure_logging(directory=arguments.log_directory, process="gateway")
        market, tape = _market(arguments)
        trading_hours.warm(market.now_ns)  # else the first contract details would hold up everybody
        with ExitStack() as opened:
            record: Callable[[MarketChange], None] = _unrecorded
            if arguments.journal is not None:
                record = opened.enter_context(GatewayJournal.open(arguments.journal, market)).append
            gateway = Gateway(
                market,
                clock=SystemClock(),
                pace=arguments.pace,
                master_client_id=arguments.master_client_id,
                record=record,
                faults=load_script(arguments.fault_script) if arguments.fault_script else (),
                access=AccessTerms(
                    is_read_only=arguments.read_only,
                    has_market_data=not arguments.no_market_data,
                    is_paced=arguments.pacing,
                ),
            )
            asyncio.run(_serve(gateway, market, tape, arguments))
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except PortTaken as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
