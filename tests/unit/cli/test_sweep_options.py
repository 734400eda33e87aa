"""`--sweep` takes what supervision.yaml takes, and refuses the rest before anything runs, with what is allowed."""

from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from mia_actors.cli import backtest_command
from mia_actors.cli.app import ExitCode
from mia_actors.cli.config import child_settings, load_config
from mia_actors.cli.run_settings import run_settings
from mia_actors.cli.sweep_options import axes_of, variants_of, with_settings
from mia_actors.core.errors import ConfigError
from mia_actors.cycle.settings import CycleSettings

CONFIG = Path(__file__).parents[3] / "supervision.yaml"


def test_values_are_read_as_in_the_file() -> None:
    found = axes_of(
        [
            "ensemble.approve_above=0.5, 0.6",
            "cycle.entries_from=09:35,10:00",
            "cycle.strategies=[smart_money],[battle_navale, smart_money]",
            "guardian.consecutive_losses_max=3",
        ]
    )
    assert [axis.values for axis in found] == [
        (0.5, 0.6),
        ("09:35", "10:00"),
        (["smart_money"], ["battle_navale", "smart_money"]),
        (3,),
    ]


def test_variants_are_every_combination_and_without_an_axis_the_file_s_settings() -> None:
    axes = axes_of(["cycle.confluence_min=0.5,0.6", "ensemble.approve_above=0.5,0.55,0.6"])
    found = variants_of(axes)
    assert len(found) == 6
    assert found[1] == {"cycle.confluence_min": 0.5, "ensemble.approve_above": 0.55}
    assert variants_of(()) == ({},)


def test_a_change_reaches_its_setting_and_no_other() -> None:
    config = load_config(CONFIG)
    changes = {
        "cycle.risk.position_contracts_max": 1,
        "ensemble.approve_above": 0.7,
        "cycle.entries_from": "10:00",
    }
    before, after = (
        run_settings(config, CONFIG.parent),
        run_settings(with_settings(config, changes, CONFIG), CONFIG.parent),
    )
    assert after.ensemble == before.ensemble.model_copy(update={"approve_above": 0.7})
    assert after.decision.risk == before.decision.risk.model_copy(update={"position_contracts_max": 1})
    assert after.decision.entries_from.hour == 10
    assert after.guardian == before.guardian
    assert child_settings(config, "cycle", CycleSettings).entries_from.hour == 9, (
        "the document itself is as it was"
    )


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (
            ["ensemble.approve_abov=0.5"],
            "unknown setting, did you mean 'ensemble.approve_above'.; allowed: .*models",
        ),
        (
            ["broker.history_days=3"],
            "no settings of 'broker'; allowed: settings of cycle, ensemble, guardian",
        ),
        (["approve_above=0.5"], "no settings of 'approve_above'"),
        (["cycle.risk.nothing=1"], "unknown setting.*allowed: .*cycle.risk.position_contracts_max"),
        (["ensemble.approve_above"], "allowed: KEY=VALUE,VALUE"),
        (["ensemble.approve_above="], "allowed: KEY=VALUE,VALUE"),
        (["cycle.strategies=[smart_money"], "not a list of YAML values"),
        (["ensemble.approve_above=0.5,0.5"], "0.5 is given twice"),
        (["ensemble.approve_above=0.5", "ensemble.approve_above=0.6"], "given twice; allowed: once"),
        (
            [
                f"cycle.trades_per_day_max={','.join(map(str, range(1, 200)))}",
                "cycle.confidence_min=0.1,0.2,0.3",
            ],
            "597 variants",
        ),
    ],
)
def test_what_cannot_be_swept_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        axes_of(texts)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ensemble.approve_above": 0.4}, "ensemble.approve_above: .*greater than or equal to 0.5"),
        ({"ensemble.approve_above": "high"}, "ensemble.approve_above: .*valid number"),
        ({"cycle.strategies": ["astrology"]}, "cycle.strategies: .*astrology"),
        ({"cycle.stop_ticks_max": 80}, "cycle.stop_ticks_max: 80 ticks of .* lose"),
    ],
)
def test_a_value_the_file_may_not_have_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        with_settings(load_config(CONFIG), changes, CONFIG)


@pytest.mark.parametrize(
    "options", [["--sweep", "cycle.nothing=1"], ["--folds", "0"], ["--sweep", "ensemble.approve_above=2"]]
)
def test_the_command_ends_with_the_code_of_wrong_usage(tmp_path: Path, options: list[str]) -> None:
    app = Typer()
    app.command()(backtest_command.backtest)
    found = CliRunner().invoke(app, ["--config", str(CONFIG), "--state", str(tmp_path / "state"), *options])
    assert found.exit_code == ExitCode.USAGE
    assert not (tmp_path / "state").exists()
