"""`mia halt`, `resume` and `flatten`: a person's word to the guardian; none of them needs Ray."""

import getpass
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    StateOption,
    app,
    guarded,
    messages,
    print_json,
    results,
)
from mia_actors.cli.assignment import ASSIGNMENT_FILE, read_assignment
from mia_actors.cli.config import (
    SystemConfig,
    guardian_settings,
    halting_connections,
    load_without_children,
)
from mia_actors.cli.market_access import SimulatedMarket, market_of
from mia_actors.cli.state import StateDirectory, open_state
from mia_actors.core.clock import Clock, SystemClock, iso_utc
from mia_actors.core.errors import BrokerDisconnected, ConfigError, PermanentError
from mia_actors.core.session import SessionInfo
from mia_actors.core.units import product
from mia_actors.guardian import console
from mia_actors.guardian.causes import standing_causes
from mia_actors.guardian.console import ConsoleState
from mia_actors.guardian.core import TradingState
from mia_actors.guardian.latch import Latched
from mia_actors.guardian.records import account_memories
from mia_actors.telemetry.logs import configure_logging

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; recorded with who and when.")]
WaitOption = Annotated[
    float, typer.Option("--wait", min=0, max=600, help="Seconds to wait for a confirmed flat account.")
]
STATES = {"halt": TradingState.HALTED, "flatten": TradingState.REDUCE_ONLY}
CONSOLE = "console"
LOGS = "logs"


@app.command("halt")
def halt(
    reason: ReasonOption,
    wait_s: WaitOption = 30.0,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop trading: latch, cancel everything, flatten, confirm. Example: mia halt --reason "news"."""
    guarded(lambda: _act("halt", reason, wait_s, config, state, as_json=as_json))


@app.command("flatten")
def flatten(
    reason: ReasonOption = "flatten",
    wait_s: WaitOption = 30.0,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel everything and close the position; only reducing is allowed after it. Example: mia flatten."""
    guarded(lambda: _act("flatten", reason, wait_s, config, state, as_json=as_json))


@app.command("resume")
def resume(
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; for where there is no terminal.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Release the latch; refused while its cause persists. Example: mia resume --reason "checked" --yes."""

    def command() -> int:
        document = load_without_children(config)
        directory = open_state(state or document.session.state)
        clock = SystemClock()
        seen = console.resumable(directory.path, reason=reason, clock=clock)
        _refuse_while_broken(directory.path, document, clock)
        if not yes:
            _confirm(seen, asks=not as_json)
        found = console.resume(directory.path, of=seen, reason=reason, who=getpass.getuser(), clock=clock)
        _tell(found, as_json=as_json)
        return ExitCode.DONE

    guarded(command)


@app.command("ack")
def ack(
    config: ConfigOption = DEFAULT_CONFIG, state: StateOption = None, as_json: JsonOption = False
) -> None:
    """Take note that a halted account is not flat: its notices end, the halt goes on. Example: mia ack."""

    def command() -> int:
        directory = open_state(state or load_without_children(config).session.state)
        found = console.acknowledge(directory.path, who=getpass.getuser(), clock=SystemClock())
        _tell(found, as_json=as_json)
        return ExitCode.DONE

    guarded(command)


def _refuse_while_broken(state_dir: Path, config: SystemConfig, clock: Clock) -> None:
    """A limit that executions break still would halt again at once.

    Raises:
        PermanentError: there is one.
    """
    settings, traded = guardian_settings(config), product(config.session.instrument)
    causes = [
        f"account {account}: {cause}"
        for account, memory in account_memories(state_dir)
        for cause in standing_causes(memory, settings, traded, now_ns=clock.now_ns())
    ]
    if causes:
        said = "; ".join(causes)
        raise PermanentError(f"the cause persists: {said}; wait for that, or change the limit")


def _confirm(seen: Latched, *, asks: bool) -> None:
    """Shows what is released; nothing is, unless a person at a terminal says so.

    Raises:
        ConfigError: there is no terminal to ask at.
    """
    if not asks or not sys.stdin.isatty():
        raise ConfigError("trading resumes only by a person: confirm with --yes where there is no terminal")
    shown = f"{seen.state.value} since {iso_utc(seen.at_ns)}, by {seen.who}: {seen.reason}; {seen.outcome}"
    messages.print(shown, markup=False, highlight=False)
    typer.confirm("Release it, so that trading may begin again?", default=False, abort=True, err=True)


def _act(kind: str, reason: str, wait_s: float, config: Path, state: Path | None, *, as_json: bool) -> int:
    if not reason.strip():
        raise ConfigError("--reason is empty: say why")
    document = load_without_children(config)
    directory = open_state(state or document.session.state)
    clock = SystemClock()
    who = getpass.getuser()
    if console.read_state(directory.path, clock).guardian_alive:
        console.request(directory.path, kind, reason=reason, who=who, clock=clock)
        found = console.wait_until(
            directory.path,
            lambda seen: (seen.halted and seen.confirmed_flat) or not seen.guardian_alive,
            within_s=wait_s,
            clock=clock,
        )
    else:
        found = console.read_state(directory.path, clock)
    if not found.guardian_alive:  # from the beginning, or it died with the request unheeded
        messages.print("no guardian is alive: latching and acting over an own broker session")
        found = _directly(document, directory, kind, reason, who, wait_s)
    _tell(found, as_json=as_json)
    return ExitCode.DONE if found.halted and found.confirmed_flat else ExitCode.FAILED


def _directly(
    document: SystemConfig, directory: StateDirectory, kind: str, reason: str, who: str, wait_s: float
) -> ConsoleState:
    """The halt without a guardian; a broker that cannot be reached leaves the latch set and says so."""
    clock = SystemClock()
    configure_logging(directory=directory.path / LOGS, process=CONSOLE)  # stdout is for the result
    simulated = _simulated_session(directory)
    connections = dict(simulated.connections) if simulated else halting_connections(document)
    try:
        console.halt_directly(
            directory.path,
            connections[CONSOLE],
            product(document.session.instrument),
            state=STATES[kind],
            reason=reason,
            who=who,
            within_s=wait_s,
            market=market_of(simulated, clock),
            clock=clock,
        )
    except (BrokerDisconnected, ConfigError) as error:
        messages.print(
            f"latched, but the broker cannot be reached ({error}): the account is NOT confirmed flat",
            style="red",
            markup=False,
            highlight=False,
        )
    return console.read_state(directory.path, clock)


def _simulated_session(directory: StateDirectory) -> SessionInfo | None:
    """The newest session where its simulated gateway still lives: then that is the market to reach."""
    folder = directory.current()
    if folder is None or not (folder / ASSIGNMENT_FILE).exists():
        return None
    session = read_assignment(folder).session
    if not session.control_port:
        return None
    try:
        with closing(SimulatedMarket(session.control_host, session.control_port)) as market:
            market.now_ns()
    except BrokerDisconnected:
        return None
    return session


def _tell(found: ConsoleState, *, as_json: bool) -> None:
    if as_json:
        print_json(found.document())
        return
    flat = "flat, confirmed" if found.confirmed_flat else f"NOT confirmed flat: {found.outcome}"
    since = f" since {found.latched_at} ({found.reason})" if found.halted else ""
    results.print(f"{found.state.value}{since}; {flat}", markup=False, highlight=False)
