"""`mia up` and `mia down`: a session that goes on when the terminal is gone."""

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
    print_json,
    results,
)
from mia_actors.cli.config import load_config
from mia_actors.cli.detached import END_WITHIN_S, START_WITHIN_S, end, launch
from mia_actors.cli.state import existing_state, open_state
from mia_actors.core.clock import SystemClock

Seconds = Annotated[float, typer.Option("--within", min=1, help="Seconds to wait for it.")]


@app.command("up", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def up(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    within_s: Seconds = START_WITHIN_S,
    as_json: JsonOption = False,
) -> None:
    """Start a session detached from this terminal; takes the options of `mia run`.

    Returns when its tree is up. Its output goes to logs/up.out and logs/up.err in the state directory.

    Example: mia up --broker paper
    """

    def command() -> int:
        directory = open_state(state or load_config(config).session.state)
        arguments = ["--config", str(config), *context.args]
        found = launch(arguments, state=directory, clock=SystemClock(), within_s=within_s)
        if as_json:
            print_json({"session_id": found.session_id})
        else:
            results.print(f"session {found.session_id} is up (pid {found.process.pid}); `mia down` ends it")
        return ExitCode.DONE

    guarded(command)


@app.command("down")
def down(
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    within_s: Seconds = END_WITHIN_S,
    as_json: JsonOption = False,
) -> None:
    """End the running session: its position is closed, its tree stopped. Example: mia down --json."""

    def command() -> int:
        directory = existing_state(state or load_config(config).session.state)
        ran = end(directory, clock=SystemClock(), within_s=within_s)
        session = directory.current() if ran else None
        if as_json:
            print_json({"session_id": session.name if session else None})
        else:
            results.print(f"session {session.name} has ended" if session else "no session was running")
        return ExitCode.DONE

    guarded(command)
