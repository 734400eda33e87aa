"""Ways out: a file and the log (dry run), or Discord webhooks."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import discord
import requests

from mia_actors.core.errors import ConfigError, TransientError
from mia_actors.notify.notices import Channel, Notice, Urgency, as_text

WEBHOOK_VARIABLE = "MIA_DISCORD_WEBHOOK"
COLOURS = {Urgency.INFO: 0x3B82F6, Urgency.WARNING: 0xF59E0B, Urgency.CRITICAL: 0xDC2626}


class Outlet(Protocol):
    """Where notices go."""

    def send(self, told: Notice) -> None:
        """Delivers one notice.

        Raises:
            TransientError: not delivered; try again later.
        """
        ...


class DryRun:
    """Appends what would be sent to a file, one line each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, told: Notice) -> None:
        """See `Outlet`."""
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(as_text(told) + "\n")


class DiscordWebhooks:
    """Discord through discord.py's webhook client; one webhook per channel, or one for all."""

    def __init__(self, urls: Mapping[Channel, str]) -> None:
        self._session = requests.Session()
        self._hooks = {
            channel: discord.SyncWebhook.from_url(url, session=self._session) for channel, url in urls.items()
        }

    def send(self, told: Notice) -> None:
        """See `Outlet`. discord.py waits out rate limits within its own bounds."""
        embed = discord.Embed(title=told.title, colour=COLOURS[told.urgency])
        for name, value in told.fields:
            embed.add_field(name=name, value=value, inline=len(value) < 40)
        embed.set_footer(text=told.notice_id)
        hook = self._hooks.get(told.channel) or self._hooks[Channel.LOGS]
        try:
            hook.send(embed=embed, allowed_mentions=discord.AllowedMentions.none())
        except (discord.DiscordException, requests.RequestException, RuntimeError) as error:
            # RuntimeError: discord.py's last word after five refusals; an error's text may hold the URL
            raise TransientError(f"discord: {type(error).__name__}") from error


def webhooks_from_environment(environment: Mapping[str, str] = os.environ) -> dict[Channel, str]:
    """Webhook per channel from `MIA_DISCORD_WEBHOOK_ALERTS` and so on; `MIA_DISCORD_WEBHOOK` serves the rest.

    Raises:
        ConfigError: neither the general one nor one for each channel is set.
    """
    general = environment.get(WEBHOOK_VARIABLE, "")
    found = {
        channel: environment.get(f"{WEBHOOK_VARIABLE}_{channel.upper()}", general) for channel in Channel
    }
    missing = [channel.value for channel, url in found.items() if not url]
    if missing:
        raise ConfigError(
            f"notifier: channel is discord, but {WEBHOOK_VARIABLE} is not set, "
            f"nor one for: {', '.join(missing)}; set it in the environment, or use channel: dry_run"
        )
    return found
