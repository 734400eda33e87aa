"""The Discord channel through the real webhook client; only the wire below it is a fake."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from mia_actors.core.errors import TransientError
from mia_actors.notify.channels import DiscordWebhooks
from mia_actors.notify.notices import Channel, Urgency, notice

Answer = tuple[int, dict[str, str], Any]
"""Status, headers and JSON."""
SECRET = "s" * 68
LOGS, ALERTS = "100000000000000001", "100000000000000002"
URL = f"https://discord.com/api/webhooks/{{}}/{SECRET}"
TOLD = notice("s1-7", Channel.ALERTS, Urgency.CRITICAL, "broker: left down", {"cause": "boom"})
DELIVERED: Answer = (204, {}, None)
LIMITED: Answer = (429, {"Via": "1.1 google", "Content-Type": "application/json"}, {"retry_after": 3.5})


class Wire(BaseAdapter):
    """Answers with what is next in the list, and keeps what was sent; an error in the list is raised."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[Answer | Exception] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.sent.append((str(request.url), json.loads(request.body or b"{}")))
        answer = self.answers.pop(0) if self.answers else DELIVERED
        if isinstance(answer, Exception):
            raise answer
        response = requests.Response()
        response.status_code, headers, body = answer
        response.headers.update(headers)
        response._content = b"" if body is None else json.dumps(body).encode()
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the client waited between its own tries; nobody waits for real."""
    waits: list[float] = []
    monkeypatch.setattr("discord.webhook.sync.time", SimpleNamespace(sleep=waits.append))
    return waits


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def hooks(wire: Wire) -> DiscordWebhooks:
    made = DiscordWebhooks({Channel.LOGS: URL.format(LOGS), Channel.ALERTS: URL.format(ALERTS)})
    made._session.mount("https://", wire)
    return made


def test_a_notice_goes_to_the_webhook_of_its_channel_and_can_ping_nobody(
    hooks: DiscordWebhooks, wire: Wire
) -> None:
    hooks.send(TOLD)
    ((url, payload),) = wire.sent
    assert f"/webhooks/{ALERTS}/{SECRET}" in url
    (embed,) = payload["embeds"]
    assert embed["title"] == "broker: left down"
    assert [(field["name"], field["value"]) for field in embed["fields"]] == [("cause", "boom")]
    assert embed["footer"]["text"] == "s1-7"
    assert payload["allowed_mentions"] == {"parse": []}


def test_a_channel_without_a_webhook_goes_to_logs_and_not_to_another(
    hooks: DiscordWebhooks, wire: Wire
) -> None:
    hooks.send(notice("s1-8", Channel.TRADES, Urgency.INFO, "filled", {}))
    assert f"/webhooks/{LOGS}/{SECRET}" in wire.sent[0][0]


def test_a_rate_limit_is_waited_out_as_long_as_discord_says(
    hooks: DiscordWebhooks, wire: Wire, slept: list[float]
) -> None:
    wire.answers = [LIMITED, DELIVERED]
    hooks.send(TOLD)
    assert slept == [3.5]
    assert len(wire.sent) == 2


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([(503, {}, None)] * 5, id="server errors"),
        pytest.param([LIMITED] * 5, id="rate limits"),
        pytest.param([(429, {}, None)], id="banned"),
        pytest.param([(404, {}, None)], id="webhook removed"),
        pytest.param([requests.ConnectionError(f"no route to {SECRET}")], id="no network"),
        pytest.param([requests.ReadTimeout(f"no answer of {SECRET}")], id="no answer"),
    ],
)
def test_what_is_not_delivered_is_a_failure_to_try_again_and_shows_no_secret(
    hooks: DiscordWebhooks, wire: Wire, slept: list[float], answers: list[Any]
) -> None:
    wire.answers = list(answers)
    with pytest.raises(TransientError) as failed:
        hooks.send(TOLD)
    assert SECRET not in str(failed.value)
    assert wire.answers == []
