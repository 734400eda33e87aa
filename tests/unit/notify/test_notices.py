from pathlib import Path

import pytest

from mia_actors.core.errors import ConfigError
from mia_actors.notify.channels import DryRun, webhooks_from_environment
from mia_actors.notify.notices import Channel, Urgency, as_text, notice


def test_text_from_outside_cannot_ping_anybody() -> None:
    told = notice("1", Channel.ALERTS, Urgency.WARNING, "broker restarted", {"cause": "boom @everyone"})
    assert "@everyone" not in told.fields[0][1]


def test_long_tracebacks_are_cut_to_the_limit() -> None:
    told = notice("1", Channel.ALERTS, Urgency.WARNING, "x" * 999, {"traceback": "y" * 5000})
    assert len(told.title) == 256
    assert len(told.fields[0][1]) == 1024


def test_empty_fields_are_left_out() -> None:
    assert notice("1", Channel.LOGS, Urgency.INFO, "t", {"a": "", "b": "c"}).fields == (("b", "c"),)


def test_the_dry_run_writes_what_would_be_sent(tmp_path: Path) -> None:
    told = notice("1", Channel.ALERTS, Urgency.CRITICAL, "halted", {"reason": "day loss"})
    DryRun(tmp_path / "notifications.log").send(told)
    assert (tmp_path / "notifications.log").read_text() == as_text(told) + "\n"
    assert as_text(told) == "[alerts] CRITICAL halted (reason: day loss)"


def test_discord_without_a_webhook_is_refused_without_showing_a_secret() -> None:
    with pytest.raises(ConfigError, match="MIA_DISCORD_WEBHOOK is not set"):
        webhooks_from_environment({"MIA_DISCORD_WEBHOOK_ALERTS": "https://secret"})


def test_one_webhook_serves_all_channels() -> None:
    found = webhooks_from_environment(
        {"MIA_DISCORD_WEBHOOK": "https://a", "MIA_DISCORD_WEBHOOK_TRADES": "https://b"}
    )
    assert found[Channel.ALERTS] == "https://a"
    assert found[Channel.TRADES] == "https://b"
