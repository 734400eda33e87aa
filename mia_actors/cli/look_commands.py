"""`mia status`, `tree`, `events` and `kill`: read files, need no Ray."""

import os
import signal as signals
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from mia_actors.cli.app import (
    DEFAULT_CONFIG,
    ConfigOption,
    ExitCode,
    JsonOption,
    StateOption,
    app,
    guarded,
    print_json,
    results,
)
from mia_actors.cli.config import load_config
from mia_actors.cli.session_status import session_status
from mia_actors.cli.state import StateDirectory, existing_state, is_running
from mia_actors.core.clock import SystemClock, utc_datetime
from mia_actors.core.errors import ConfigError
from mia_actors.supervision.event_log import LoggedEvent, read_events
from mia_actors.supervision.nodes import NodeState
from mia_actors.supervision.snapshot import ChildView, SupervisorView, TreeSnapshot, read_tree

FOLLOW_EVERY_S = 0.5
HELD = NodeState.HELD.value


class Signal(StrEnum):
    """Signals of chaos by hand."""

    KILL = "KILL"
    STOP = "STOP"
    CONT = "CONT"


def newest_session(config: Path, state: Path | None) -> tuple[StateDirectory, Path]:
    """The state directory and the folder of its newest session.

    Raises:
        ConfigError: there is none.
    """
    directory = existing_state(state or load_config(config).session.state)
    session = directory.current()
    if session is None:
        raise ConfigError(f"{directory.path}: no session was run yet; `mia run` starts one")
    return directory, session


def _tree(session: Path) -> TreeSnapshot:
    found = read_tree(session)
    if found is None:
        raise ConfigError(f"{session}: the session never had a tree")
    return found


@app.command("status")
def status(
    config: ConfigOption = DEFAULT_CONFIG, state: StateOption = None, as_json: JsonOption = False
) -> None:
    """Show the running or last session. Example: mia status --json."""

    def command() -> int:
        document = session_status(existing_state(state or load_config(config).session.state))
        if as_json:
            print_json(document)
            return ExitCode.DONE
        table = Table.grid(padding=(0, 2))
        for name, value in document.items():
            shown = _shown(value)
            table.add_row(Text(name.replace("_", " "), style="dim"), "never" if shown is None else str(shown))
        results.print(table)
        return ExitCode.DONE

    guarded(command)


def _shown(value: object) -> object:
    if isinstance(value, dict):
        return ", ".join(f"{key} {one}" for key, one in value.items())
    if isinstance(value, list):
        return "\n".join(" ".join(row.values()) for row in value) or None
    return value


@app.command("tree")
def tree(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also how often each child died, of what.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every supervisor and child with state, incarnation, pid and restarts. Example: mia tree."""

    def command() -> int:
        _, session = newest_session(config, state)
        found = _tree(session)
        if as_json:
            print_json(asdict(found))
            return ExitCode.DONE
        picture = Tree(_supervisor_line(found.root))
        _grow(picture, found.root, verbose=verbose)
        results.print(picture)
        stands_by = f"pid {found.standby.pid} stands by" if found.standby else "nobody stands by"
        results.print(
            f"supervisor: epoch {found.epoch}, pid {found.supervisor.pid}; {stands_by}", highlight=False
        )
        results.print(f"{len(found.spares)} spares ready, {found.hosts_coming} coming", highlight=False)
        return ExitCode.DONE

    guarded(command)


def _grow(branch: Tree, supervisor: SupervisorView, *, verbose: bool) -> None:
    for node in supervisor.children:
        if isinstance(node, SupervisorView):
            _grow(branch.add(_supervisor_line(node)), node, verbose=verbose)
            continue
        leaf = branch.add(Text(_child_line(node), style="bold yellow" if node.state == HELD else ""))
        for name in node.quarantined:
            leaf.add(Text(f"refuses {name} after too many deaths", style="bold yellow"))
        if verbose and node.deaths:
            leaf.add(Text(_deaths_line(node)))


def _supervisor_line(node: SupervisorView) -> str:
    window = f"{node.restarts_in_window} of {node.intensity} restarts in {node.period_s:g} s"
    return f"{node.id}  {node.state}  {node.strategy}, {window}"


def _child_line(node: ChildView) -> str:
    pid = f"pid {node.process.pid}" if node.process else "no process"
    last = f", last exit {node.last_exit} {node.last_cause}".rstrip() if node.last_exit else ""
    state = "armed" if node.armed else node.state
    where = f" on {node.node}" if node.node is not None else ""
    if node.waits_for_node:
        pid, where = f"waits for node {node.node}", ""
    return f"{node.id}  {state}  incarnation {node.incarnation}, {pid}{where}{last}"


def _deaths_line(node: ChildView) -> str:
    counts = ", ".join(f"{reason} {count}" for reason, count in sorted(node.deaths.items()))
    return f"died {sum(node.deaths.values())} times: {counts}; last: {' | '.join(node.last_causes)}"


@app.command("events")
def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones until Ctrl-C.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the durable supervision log. Example: mia events --follow."""

    def command() -> int:
        _, session = newest_session(config, state)
        found = read_events(session)
        if as_json:
            print_json({"events": [{"number": number, **asdict(event)} for number, event in found]})
            return ExitCode.DONE
        clock = SystemClock()
        last = 0
        while True:
            for number, event in found:
                results.print(_event_line(event), markup=False, highlight=False)
                last = number
            if not follow:
                return ExitCode.DONE
            clock.sleep_s(FOLLOW_EVERY_S)
            found = read_events(session, after=last)

    guarded(command)


def _event_line(event: LoggedEvent) -> str:
    moment = utc_datetime(event.time_ns).strftime("%H:%M:%S.%f")[:-3]
    times = " ".join(f"{name} {took_ms:.1f} ms" for name, took_ms in event.phases)
    in_hand = f"(in hand: {event.in_hand})" if event.in_hand else ""
    said = " ".join(text for text in (event.reason, event.cause, in_hand, times) if text)
    return f"{moment}  {event.event:<28} {event.node} #{event.incarnation}  {said}".rstrip()


@app.command("kill")
def kill(
    child: Annotated[str, typer.Argument(help="Child id as `mia tree` shows it.")],
    signal: Annotated[Signal, typer.Option("--signal", help="What to send.")] = Signal.KILL,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a signal to a child's process: chaos by hand. Example: mia kill features.5m --signal KILL."""

    def command() -> int:
        directory, session = newest_session(config, state)
        if not is_running(directory):
            raise ConfigError("no session is running; there is nothing to kill")
        tree = _tree(session)
        views = {view.id: view for view in tree.children}
        if child not in views:
            raise ConfigError(f"there is no child {child!r}; allowed: {', '.join(views)}")
        process = views[child].process
        if process is not None and process.node_id != tree.supervisor.node_id:
            raise ConfigError(f"{child} is on node {views[child].node}; kill it there, as pid {process.pid}")
        if process is None or not process.process.alive():
            raise ConfigError(f"{child} has no living process now; try again")
        os.kill(process.pid, getattr(signals, f"SIG{signal.value}"))
        incarnation = views[child].incarnation
        document = {"child": child, "signal": signal.value, "pid": process.pid, "incarnation": incarnation}
        if as_json:
            print_json(document)
        else:
            results.print(
                f"{child} #{incarnation} (pid {process.pid}): SIG{signal.value} sent", highlight=False
            )
        return ExitCode.DONE

    guarded(command)
