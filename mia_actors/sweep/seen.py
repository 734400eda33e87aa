"""Whether the models that vote in a backtest were fitted on the very days it trades. Pure."""

from collections.abc import Sequence
from datetime import date, datetime

from mia_actors.core.clock import time_ns_of
from mia_actors.core.trade_date import trade_date
from mia_actors.ensemble.manifest import Manifest


def seen_by_models(manifest: Manifest, days: Sequence[date]) -> str:
    """One sentence for people: how many of the trade dates lie within the time of the samples fitted on."""
    training = manifest.training
    first, last = (_trade_date(text) for text in (training.window_from, training.window_until))
    seen = sum(1 for day in days if first <= day <= last)
    fitted = f"The models {manifest.version} were fitted on samples of {first} to {last}"
    if not seen:
        return f"{fitted}; none of the trade dates here is among them."
    return (
        f"{fitted}; of the {len(days)} trade dates here {seen} lie within that time, where their votes know what they "
        "should not."
    )


def _trade_date(text: str) -> date:
    return trade_date(time_ns_of(datetime.fromisoformat(text)))
