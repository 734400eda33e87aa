"""Tape options of the command line to a `TapeSelection`, and to the simulated gateway's arguments."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from mia_actors.core.clock import time_ns_of
from mia_actors.core.errors import ConfigError
from mia_actors.exchange.tape import TapeSelection


def selection_arguments(selection: TapeSelection) -> tuple[str, ...]:
    """A selection as arguments of `mia backtest`."""
    found = ["--tape", selection.source]
    for name, value in (
        ("--date", selection.date.isoformat() if selection.date else None),
        ("--from", _text(selection.from_ns)),
        ("--to", _text(selection.to_ns)),
        ("--contract", selection.contract),
    ):
        if value is not None:
            found += [name, value]
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeChoice:
    """Which part of which tape, as written on the command line; parsed and found good."""

    source: str
    date: date | None
    from_ns: int | None
    to_ns: int | None
    contract: str | None
    history_days: int
    bars_max: int | None

    def selection(self) -> TapeSelection:
        """The same choice for a tape loaded in this process."""
        return TapeSelection(
            source=self.source,
            date=self.date,
            from_ns=self.from_ns,
            to_ns=self.to_ns,
            contract=self.contract,
            history_days=self.history_days,
        )

    def gateway_arguments(self) -> tuple[str, ...]:
        """The same choice as arguments of `mia gateway`."""
        cycles = () if self.bars_max is None else ("--cycles", str(self.bars_max))
        return (*selection_arguments(self.selection()), "--history-days", str(self.history_days), *cycles)


def tape_choice(
    *,
    source: str,
    day: str | None,
    start: str | None,
    end: str | None,
    contract: str | None,
    history_days: int,
    cycles: int | None,
) -> TapeChoice:
    """Parses the options.

    Raises:
        ConfigError: a date or time that is none, or an empty span.
    """
    from_ns, to_ns = _moment("--from", start), _moment("--to", end)
    if from_ns is not None and to_ns is not None and from_ns >= to_ns:
        raise ConfigError(f"--from {start} is not before --to {end}")
    if cycles is not None and cycles < 1:
        raise ConfigError(f"--cycles {cycles}: allowed: 1 or more")
    return TapeChoice(
        source=source,
        date=_day(day),
        from_ns=from_ns,
        to_ns=to_ns,
        contract=contract,
        history_days=history_days,
        bars_max=cycles,
    )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--date {text!r} is not a date; write YYYY-MM-DD, such as 2013-10-08") from None


def _moment(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is not a time; write UTC such as 2013-10-08T13:30") from None
    return time_ns_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _text(time_ns: int | None) -> str | None:
    if time_ns is None:
        return None
    return datetime.fromtimestamp(time_ns // 10**9, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
