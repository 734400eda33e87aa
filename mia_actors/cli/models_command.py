"""`mia models`: the versions stored, what they are worth, and which one votes."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown
from rich.table import Table

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
from mia_actors.cli.config import child_settings, load_config
from mia_actors.cli.state import existing_state, is_running
from mia_actors.core.clock import SystemClock, iso_utc
from mia_actors.core.errors import ConfigError
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.ensemble.manifest import ENSEMBLE_NAME, MODEL_CARD_FILE, Manifest
from mia_actors.ensemble.promotion import promote, promotions, rollback
from mia_actors.ensemble.registry import current_version, load_version, read_manifest, versions
from mia_actors.ensemble.schedule import Swap, schedule_swap
from mia_actors.store.decision_journal import DECISIONS_FILE, DecisionJournal

models_app = typer.Typer(help="Versions of the three models.", no_args_is_help=True)
app.add_typer(models_app, name="models")

ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", help="Directory of versions; default: the one supervision.yaml names."),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the history.")]
SessionOption = Annotated[
    bool, typer.Option("--session", help="Also in the running session, a few bars from now.")
]


def _directory(config: Path, models: Path | None) -> Path:
    if models is not None:
        return models
    settings = child_settings(load_config(config), "ensemble", EnsembleSettings)
    return config.absolute().parent / settings.models


@models_app.command("list")
def list_versions(
    models: ModelsOption = None, config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False
) -> None:
    """List the stored versions, whether their files are what was stored, and the history. Example: mia models list."""

    def command() -> int:
        directory = _directory(config, models)
        current = current_version(directory)
        rows = [_row(directory, name, current) for name in versions(directory)]
        history = [{"version": one.version, "change": one.change.value, "reason": one.reason, "at": one.at}
                   for one in promotions(directory)]  # fmt: skip
        if as_json:
            print_json({"current": current, "versions": rows, "history": history})
            return ExitCode.DONE
        table = Table(box=None, pad_edge=False)
        for column in ("", "version", "trained on", "AUC", "USD a trade approved", "files"):
            table.add_column(column)
        for row in rows:
            table.add_row("→" if row["current"] else "", *(str(row[key]) for key in SHOWN))
        results.print(table)
        for one in history:
            results.print(f"{one['at']}  {one['change']}  {one['version']}  {one['reason']}", highlight=False)
        return ExitCode.DONE

    guarded(command)


SHOWN = ("version", "trained_on", "auc", "net_usd_approved", "files")


@models_app.command("show")
def show(
    version: Annotated[str | None, typer.Argument(help="Version; default: the current one.")] = None,
    models: ModelsOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show the model card of a version. Example: mia models show."""

    def command() -> int:
        directory = _directory(config, models)
        name = version or current_version(directory)
        manifest = load_version(directory, name).manifest
        if as_json:
            print_json(manifest.model_dump(mode="json"))
        else:
            card = (directory / name / MODEL_CARD_FILE).read_text(encoding="utf-8")
            results.print(Markdown(card) if results.is_terminal else card, markup=False, highlight=False)
        return ExitCode.DONE

    guarded(command)


@models_app.command("promote")
def promote_version(
    version: Annotated[str, typer.Argument(help="Version, as `mia models list` shows it.")],
    reason: ReasonOption = "",
    in_session: SessionOption = False,
    models: ModelsOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a version the current one: sessions started from now on vote with it.

    Example: mia models promote es-5m-2014-2020-614eb9ba --reason "better on the holdout"
    """

    def command() -> int:
        directory = _directory(config, models)
        promote(directory, version, reason=reason, at=iso_utc(SystemClock().now_ns()))
        return _done(config, state, version, in_session=in_session, as_json=as_json)

    guarded(command)


@models_app.command("rollback")
def roll_back(
    reason: ReasonOption = "",
    in_session: SessionOption = False,
    models: ModelsOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    state: StateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the version before the current one current again. Example: mia models rollback --reason "it drifts"."""

    def command() -> int:
        directory = _directory(config, models)
        version = rollback(directory, reason=reason, at=iso_utc(SystemClock().now_ns()))
        return _done(config, state, version, in_session=in_session, as_json=as_json)

    guarded(command)


def _done(config: Path, state: Path | None, version: str, *, in_session: bool, as_json: bool) -> int:
    swap = _swap(config, state, version) if in_session else None
    if as_json:
        print_json({"current": version, "session_from": iso_utc(swap.from_ns) if swap else None})
    else:
        results.print(f"current: {version}", highlight=False)
        if swap is not None:
            messages.print(f"the running session votes with it from {iso_utc(swap.from_ns)} of its market on")
    return ExitCode.DONE


def _swap(config: Path, state: Path | None, version: str) -> Swap:
    """Asks the running session to vote with a version from an event time on that no vote has reached.

    Raises:
        ConfigError: no session runs, or it has decided nothing yet.
    """
    document = load_config(config)
    directory = existing_state(state or document.session.state)
    session = directory.current()
    if session is None or not is_running(directory):
        raise ConfigError(f"{directory.path}: no session runs; the next one votes with {version}")
    settings = child_settings(document, "ensemble", EnsembleSettings)
    journal = DecisionJournal.open(session / DECISIONS_FILE)
    try:
        last = journal.last_completed()
    finally:
        journal.close()
    if last is None:
        raise ConfigError(f"{session}: it has decided nothing yet; try again in a moment")
    from_ns = last.decision.event_time_ns + 2 * settings.entry_timeframe.ns
    return schedule_swap(session, Swap(version=version, from_ns=from_ns))


def _row(directory: Path, name: str, current: str) -> dict[str, object]:
    row: dict[str, object] = {"version": name, "current": name == current}
    try:
        manifest = read_manifest(directory, name)
        load_version(directory, name)
    except ConfigError as error:
        return row | {"trained_on": "", "auc": None, "net_usd_approved": None, "files": str(error)}
    return row | _figures(manifest) | {"files": "as stored"}


def _figures(manifest: Manifest) -> dict[str, object]:
    scores = next(found for found in manifest.evidence.holdout.scores if found.model == ENSEMBLE_NAME)
    training = manifest.training
    return {
        "trained_on": f"{training.window_from[:10]} to {training.window_until[:10]}, {training.samples} samples",
        "auc": None if scores.auc is None else round(scores.auc, 3),
        "net_usd_approved": scores.net_usd_mean_approved,
    }
