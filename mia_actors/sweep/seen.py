"""Whether the models that vote in a backtest were fitted on the very days it trades. Pure."""

from collections.abc import Sequence
from datetime import date, datetime

from mia_actors.core.clock import time_ns_of
from mia_actors.core.trade_date import trade_date
from mia_actors.ensemble.manifest import Manifest


def fitted_on(manifest: Manifest) -> tuple[date, date]:
    """First and last trade date of the samples."""
    training = manifest.training
    return _trade_date(training.window_from), _trade_date(training.window_until)


def days_seen(manifest: Manifest, days: Sequence[date]) -> int:
    """How many of the trade dates lie within the time of the samples that the models were fitted on."""
    first, last = fitted_on(manifest)
    return sum(1 for day in days if first <= day <= last)


def seen_by_models(manifest: Manifest, days: Sequence[date]) -> str:
    """The same in a sentence for people."""
    first, last = fitted_on(manifest)
    fitted = f"The models {manifest.version} were fitted on samples of {first} to {last}"
    seen = days_seen(manifest, days)
    if not seen:
        return f"{fitted}; none of the trade dates here is among them."
    return (
        f"{fitted}; of the {len(days)} trade dates here {seen} lie within that time, where their votes know what they "
        "should not: no figure of those days is evidence of anything."
    )


def _trade_date(text: str) -> date:
    return trade_date(time_ns_of(datetime.fromisoformat(text)))
