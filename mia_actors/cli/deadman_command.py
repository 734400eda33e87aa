"""`mia deadman`: the guardian's second shell. Nothing in this process may load Ray."""

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mia_actors.cli.app import DEFAULT_CONFIG, ConfigOption, ExitCode, StateOption, app, guarded, messages
from mia_actors.cli.assignment import read_assignment
from mia_actors.cli.config import halting_connections, load_without_children, roll_days_of
from mia_actors.cli.herald import Herald, channel_of, outlet_of
from mia_actors.cli.market_access import market_of
from mia_actors.cli.service_manager import ServiceManager
from mia_actors.cli.state import StateDirectory, open_state
from mia_actors.core.clock import Clock, SystemClock
from mia_actors.core.units import product
from mia_actors.guardian.deadman import DEADMAN, Deadman, deadman_orders_of, master_of_account
from mia_actors.guardian.deadman_session import session_maker
from mia_actors.guardian.hands import Hands
from mia_actors.guardian.latch import Latch
from mia_actors.guardian.memory import CONTRACT_MONTH
from mia_actors.guardian.silence import Master
from mia_actors.telemetry.logs import configure_logging

READY = "ready"
LOGS = "logs"


class MasterLine:
    """The last word of the command at the other end of standard input."""

    def __init__(self) -> None:
        self.word = Master.HOLD

    def listen(self) -> None:
        """Reads until the line ends; an end without END or STOP means that it died."""
        for line in sys.stdin:
            self.word = Master(line.strip())
        if self.word not in {Master.END, Master.STOP}:
            self.word = Master.GONE


@app.command("deadman")
def deadman(
    session: Annotated[
        Path | None, typer.Option("--session", help="Folder of the session to guard; `mia run` names it.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
) -> None:
    """Halt when the guardian is silent with a position open; needs no Ray. Example: mia deadman --state .mia.

    Started by hand or by systemd it watches until it is ended; `mia run` starts one of its own.
    """
    guarded(lambda: _guard_session(session) if session is not None else _guard_account(config, state))


def _guard_session(folder: Path) -> int:
    assignment = read_assignment(folder)
    session, settings = assignment.session, assignment.settings
    directory = open_state(Path(session.state_dir))
    configure_logging(directory=directory.path / LOGS, process=DEADMAN)
    line = MasterLine()
    threading.Thread(target=line.listen, name="master", daemon=True).start()
    clock = SystemClock()
    latch = Latch.open(directory.path)
    hands = Hands(
        settings,
        connect=session_maker(
            settings,
            session.connection(settings.connection),
            session.product,
            traded_month=lambda: session.contract_month or latch.fact(CONTRACT_MONTH),
            roll_days=assignment.roll_days,
            clock=clock,
        ),
        latch=latch,
        market=market_of(session, clock),
        session_id=deadman_orders_of(session.session_id),
        clock=clock,
    )
    herald = _herald(assignment.channel, directory, lambda: watch.silent, clock)
    watch = Deadman(
        settings,
        state_dir=directory.path,
        latch=latch,
        hands=hands,
        master=lambda: line.word,
        clock=clock,
        simulated=session.control_port != 0,
        succeeded=lambda: directory.current() != folder.absolute(),
        on_seen=lambda: print(READY, flush=True),
        tell=herald.tell,
    )
    herald.start()
    watch.run()
    return ExitCode.DONE


def _guard_account(config: Path, state: Path | None) -> int:
    document = load_without_children(config)
    settings = document.deadman
    directory = open_state(state or document.session.state)
    configure_logging(directory=None, process=DEADMAN)
    connections = halting_connections(document)
    clock = SystemClock()
    manager = ServiceManager(monotonic_s=clock.monotonic_s)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    latch = Latch.open(directory.path)
    hands = Hands(
        settings,
        connect=session_maker(
            settings,
            connections[settings.connection],
            product(document.session.instrument),
            traded_month=lambda: latch.fact(CONTRACT_MONTH),
            roll_days=roll_days_of(document),
            clock=clock,
        ),
        latch=latch,
        market=market_of(None, clock),
        session_id=DEADMAN,
        clock=clock,
    )
    herald = _herald(channel_of(document), directory, lambda: watch.silent, clock)
    watch = Deadman(
        settings,
        state_dir=directory.path,
        latch=latch,
        hands=hands,
        master=lambda: master_of_account(latch),
        clock=clock,
        alive=manager.alive,
        tell=herald.tell,
    )
    messages.print(
        f"watching the guardian of {directory.path}: acts after {settings.limit_s:g} s of silence",
        markup=False,
    )
    herald.start()
    manager.ready()
    try:
        watch.run()
    finally:
        manager.stopping()
    return ExitCode.DONE


def _herald(channel: str, directory: StateDirectory, silent: Callable[[], bool], clock: Clock) -> Herald:
    outlet = outlet_of(channel, directory.path / LOGS)
    return Herald(outlet, state_dir=directory.path, silent=silent, clock=clock)
