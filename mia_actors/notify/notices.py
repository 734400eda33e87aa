"""What is told, as data within Discord's limits. Pure."""

from dataclasses import dataclass
from enum import StrEnum

TITLE_LENGTH_MAX = 256
FIELD_VALUE_LENGTH_MAX = 1024
FIELDS_MAX = 25
ELLIPSIS = "..."
ZERO_WIDTH_SPACE = chr(0x200B)


class Channel(StrEnum):
    """Where a notice belongs; each may have a webhook of its own."""

    ALERTS = "alerts"
    TRADES = "trades"
    PERFORMANCE = "performance"
    LOGS = "logs"


class Urgency(StrEnum):
    """How loud it is."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One message. `notice_id` is the same for the same fact, so that a repeat is recognisable."""

    notice_id: str
    channel: Channel
    urgency: Urgency
    title: str
    fields: tuple[tuple[str, str], ...]


def notice(notice_id: str, channel: Channel, urgency: Urgency, title: str, fields: dict[str, str]) -> Notice:
    """A notice cut to Discord's limits; text from outside cannot ping anybody."""
    kept = [(name, _cut(_harmless(value), FIELD_VALUE_LENGTH_MAX)) for name, value in fields.items() if value]
    return Notice(
        notice_id=notice_id,
        channel=channel,
        urgency=urgency,
        title=_cut(_harmless(title), TITLE_LENGTH_MAX),
        fields=tuple(kept[:FIELDS_MAX]),
    )


def as_text(told: Notice) -> str:
    """One line for the dry run and the log."""
    fields = ", ".join(f"{name}: {value}" for name, value in told.fields)
    return f"[{told.channel}] {told.urgency.upper()} {told.title}" + (f" ({fields})" if fields else "")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - len(ELLIPSIS)] + ELLIPSIS


def _harmless(text: str) -> str:
    """Breaks mentions: `@everyone` from a traceback must not ring a bell."""
    return text.replace("@", "@" + ZERO_WIDTH_SPACE)
