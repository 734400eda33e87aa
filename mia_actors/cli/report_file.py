"""The report's file: refused before any work when it cannot be written, replaced in one go at the end."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from mia_actors import __version__
from mia_actors.backtest_report.facts import Circumstances, settings_of
from mia_actors.core.errors import ConfigError
from mia_actors.ensemble.manifest import Manifest
from mia_actors.exchange.orders import AccountTerms, Costs
from mia_actors.sweep.run import RunSettings
from mia_actors.sweep.seen import fitted_on


def check_report_path(path: Path) -> None:
    """Makes sure that `write_report` can do its work later.

    Raises:
        ConfigError: the folder is not there or cannot be written, or the path is one.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"--report {path}: is a directory; name a file, such as {path / 'report.html'}")
        if not path.parent.is_dir():
            raise ConfigError(f"--report {path}: there is no directory {path.parent}; make it first")
        _beside(path).touch()
        _beside(path).unlink()
    except OSError as error:
        raise ConfigError(
            f"--report {path}: cannot be written ({error.strerror}); name another file"
        ) from error


def write_report(path: Path, page: str) -> None:
    """Replaces the file at once: whoever looks meanwhile sees the old one whole."""
    _beside(path).write_text(page, encoding="utf-8")
    _beside(path).replace(path)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def circumstances(
    settings: RunSettings,
    *,
    models: Sequence[Manifest],
    ledger_file: str,
    notes: Sequence[str],
    command: Sequence[str],
) -> Circumstances:
    """What a report tells of how its backtest was made."""
    return Circumstances(
        settings=(
            *settings_of("cycle", settings.decision),
            *settings_of("ensemble", settings.ensemble),
            *settings_of("guardian", settings.guardian),
        ),
        model_version=", ".join(manifest.version for manifest in models),
        software_version=__version__,
        costs=Costs(),
        account=AccountTerms(),
        ledger_file=ledger_file,
        notes=tuple(notes),
        fitted=tuple(fitted_on(manifest) for manifest in models),
        command=shlex.join(command),
    )
