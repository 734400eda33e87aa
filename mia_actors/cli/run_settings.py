"""From supervision.yaml to what a backtest needs of it."""

from pathlib import Path

from mia_actors.cli.config import SystemConfig, child_settings
from mia_actors.cycle.settings import CycleSettings
from mia_actors.ensemble.actor import EnsembleSettings
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.news import with_news_file
from mia_actors.sweep.run import RunSettings


def run_settings(config: SystemConfig, config_dir: Path) -> RunSettings:
    """The settings the tree would give to cycle, guardian and ensemble.

    Raises:
        ConfigError: the tree has no such child, or the news file cannot be read.
    """
    return RunSettings(
        decision=child_settings(config, "cycle", CycleSettings),
        guardian=with_news_file(child_settings(config, "guardian", GuardianSettings), config_dir),
        ensemble=child_settings(config, "ensemble", EnsembleSettings),
        config_dir=config_dir,
    )
