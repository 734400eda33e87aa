"""`mia reload`, `restart`, `hold` and `release`: what a person does to the tree of a running session."""

from pathlib import Path
from typing import Annotated, Any

import typer

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
from mia_actors.cli.look_commands import newest_session
from mia_actors.cli.requests import ask
from mia_actors.cli.state import is_running
from mia_actors.cli.tree_requests import HOLD, RELEASE, RELOAD, RESTART
from mia_actors.core.clock import SystemClock
from mia_actors.core.errors import ConfigError
from mia_actors.core.ids import RandomIds
from mia_actors.supervision.reload import Change

WITHIN_S = 120.0
MARKS = {
    Change.ADDED: ("+", "green"),
    Change.REMOVED: ("-", "red"),
    Change.RESTARTED: ("~", "yellow"),
    Change.CHANGED: ("=", "cyan"),
}
ChildArgument = Annotated[str, typer.Argument(help="Child or supervisor id as `mia tree` shows it.")]


@app.command("reload")
def reload(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, change nothing.")] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the running tree what the edited supervision.yaml says, by difference.

    Example: mia reload --dry-run
    """

    def command() -> int:
        wanted = load_config(config)
        body = {"config": wanted.model_dump(mode="json"), "dry_run": dry_run}
        found = _asked(config, state, RELOAD, body)
        if as_json:
            print_json(found)
        else:
            _tell_plan(found)
        return ExitCode.FAILED if found.get("not_up") else ExitCode.DONE

    guarded(command)


@app.command("restart")
def restart(
    child: ChildArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop one child in order and start it again. Example: mia restart features.5m."""
    guarded(lambda: _one_child(RESTART, child, "", config, state, as_json=as_json))


@app.command("hold")
def hold(
    child: ChildArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why; recorded in the event log.")],
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop one child and keep it down through every restart. Example: mia hold mentor --reason "too slow"."""
    guarded(lambda: _one_child(HOLD, child, reason, config, state, as_json=as_json))


@app.command("release")
def release(
    child: ChildArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start a child that is held. Example: mia release mentor."""
    guarded(lambda: _one_child(RELEASE, child, "", config, state, as_json=as_json))


def _asked(config: Path, state: Path | None, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    directory, session = newest_session(config, state)
    if not is_running(directory):
        raise ConfigError(f"{directory.path}: no session is running")
    return ask(session, kind, body, within_s=WITHIN_S, clock=SystemClock(), ids=RandomIds())


def _one_child(kind: str, child: str, reason: str, config: Path, state: Path | None, *, as_json: bool) -> int:
    found = _asked(config, state, kind, {"child": child, "reason": reason})
    if as_json:
        print_json(found)
    else:
        life = f", incarnation {found['incarnation']}" if found["incarnation"] else ""
        results.print(f"{child}: {found['state']}{life}", markup=False, highlight=False)
    return ExitCode.DONE


def _tell_plan(found: dict[str, Any]) -> None:
    for change, (mark, style) in MARKS.items():
        for name in found[change.value]:
            keys = ", ".join(found["keys"].get(name, ()))
            why = f"  ({keys})" if keys else ""
            results.print(f"{mark} {name}  {change.value}{why}", style=style, markup=False, highlight=False)
    untouched = len(found[Change.UNTOUCHED.value])
    said = "applied" if found["applied"] else "nothing was changed; without --dry-run this is applied"
    results.print(f"{untouched} untouched; {said}", markup=False, highlight=False)
    for name in found.get("not_up", ()):
        results.print(f"{name} is not up yet: see mia events", style="red", markup=False, highlight=False)
