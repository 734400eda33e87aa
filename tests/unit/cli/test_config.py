"""The document as a whole: what no single key can say wrong."""

from pathlib import Path

import pytest
import yaml

from mia_actors.cli.config import (
    SystemConfig,
    child_settings,
    halting_connections,
    load_config,
    load_without_children,
    session_connections,
)
from mia_actors.core.errors import ConfigError
from mia_actors.core.session import BrokerMode
from mia_actors.cycle.settings import CycleSettings
from mia_actors.guardian.limits import GuardianSettings

SHIPPED = Path(__file__).parents[3] / "supervision.yaml"


@pytest.fixture(scope="module")
def shipped() -> SystemConfig:
    return load_config(SHIPPED)


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = SHIPPED.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path = tmp_path / "supervision.yaml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def test_the_shipped_file_is_sound_and_every_child_of_the_mission_is_in_it(shipped: SystemConfig) -> None:
    children = {child.id for _, child in shipped.tree.child_specs()}
    assert children >= {
        "broker",
        "features.1m",
        "features.5m",
        "features.15m",
        "features.1h",
        "features.4h",
        "ensemble",
        "execution",
        "guardian",
        "mentor",
        "monitor",
        "notifier",
        "cycle",
    }


def test_no_loss_limit_of_the_shipped_file_is_above_the_hard_one(shipped: SystemConfig) -> None:
    assert child_settings(shipped, "guardian", GuardianSettings).daily_loss_limit_usd <= 500
    assert child_settings(shipped, "cycle", CycleSettings).stop_ticks_max >= 1


def test_two_connections_with_one_client_id_are_refused(tmp_path: Path) -> None:
    document = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    ids = [section["client_id"] for section in document["connections"].values()]
    path = changed(tmp_path, f"client_id: {ids[1]}", f"client_id: {ids[0]}")
    with pytest.raises(ConfigError, match=rf"client_id: {ids[0]} is used by .* too"):
        load_config(path)


def test_an_unknown_child_has_no_settings(shipped: SystemConfig) -> None:
    with pytest.raises(ConfigError, match=r"no child 'features\.7m'"):
        child_settings(shipped, "features.7m", CycleSettings)


def test_with_the_simulated_gateway_every_connection_goes_to_its_port_on_loopback(
    shipped: SystemConfig,
) -> None:
    found = session_connections(shipped, BrokerMode.SIM, 12345)
    assert {(connection.host, connection.port) for _, connection in found} == {("127.0.0.1", 12345)}
    assert len({connection.client_id for _, connection in found}) == len(found)


@pytest.mark.parametrize("port", [4001, 7496])
def test_a_port_where_a_live_account_listens_is_refused(tmp_path: Path, port: int) -> None:
    document = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    next(iter(document["connections"].values()))["port"] = port
    path = tmp_path / "supervision.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    with pytest.raises(ConfigError, match=f"{port} is where a LIVE account listens"):
        session_connections(load_config(path), BrokerMode.PAPER, None)


@pytest.mark.parametrize(
    ("account", "again", "is_refused"),
    [
        (None, None, True),
        ("U1234567", None, True),
        ("U1234567", "U1234568", True),
        ("U1234567", "U1234567", False),
    ],
)
def test_live_trading_needs_the_account_in_the_file_and_on_the_command_line(
    shipped: SystemConfig, account: str | None, again: str | None, *, is_refused: bool
) -> None:
    session = shipped.session.model_copy(update={"account": account})
    config = shipped.model_copy(update={"session": session})
    if is_refused:
        with pytest.raises(ConfigError, match=r"REAL money.*session\.account.*--live-account"):
            session_connections(config, BrokerMode.LIVE, None, live_account=again)
    else:
        found = dict(session_connections(config, BrokerMode.LIVE, None, live_account=again))
        assert {(one.mode, one.account) for one in found.values()} == {(BrokerMode.LIVE, account)}
    with pytest.raises(ConfigError, match="goes with --broker live"):
        session_connections(config, BrokerMode.PAPER, None, live_account="U1234567")


def test_no_switch_stands_between_a_person_and_a_halt(tmp_path: Path) -> None:
    document = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    document["connections"]["console"]["port"] = 7496
    path = tmp_path / "supervision.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    found = halting_connections(load_without_children(path))
    assert (found["console"].port, found["console"].halts_only) == (7496, True)


@pytest.mark.parametrize(("limit", "is_refused"), [(250, False), (249, True)])
def test_a_stop_wider_than_the_daily_loss_is_refused_with_both_keys(
    tmp_path: Path, limit: int, *, is_refused: bool
) -> None:
    """Twenty ticks of 12.50 USD."""
    path = changed(tmp_path, "daily_loss_limit_usd: 500", f"daily_loss_limit_usd: {limit}")
    if not is_refused:
        load_config(path)
        return
    with pytest.raises(ConfigError, match=r"cycle.stop_ticks_max.*guardian.daily_loss_limit_usd.*at most 19"):
        load_config(path)


def test_a_news_calendar_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = changed(tmp_path, "daily_loss_limit_usd: 500", "news_file: news.txt")
    with pytest.raises(ConfigError, match=r"news_file .*news\.txt: cannot be read"):
        load_config(path)
    (tmp_path / "news.txt").write_text("2026-12-09T19:00:00Z\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="stop_ticks_max"):  # the default limit is below the stop
        load_config(path)


def test_contradictory_limits_are_refused_with_their_key_and_line(tmp_path: Path) -> None:
    wrong = "daily_loss_limit_usd: 500\n        feed_stall_s: {warning: 30, critical: 10}"
    path = changed(tmp_path, "daily_loss_limit_usd: 500", wrong)
    with pytest.raises(ConfigError, match=r"(?s)feed_stall_s.*warning 30 must be below critical 10"):
        load_config(path)
