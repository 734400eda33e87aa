"""What the settings of two children must agree on, and what they name beside the document."""

from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel

from mia_actors.core.errors import ConfigError
from mia_actors.core.units import product
from mia_actors.cycle.settings import CycleSettings
from mia_actors.guardian.limits import GuardianSettings
from mia_actors.guardian.news import with_news_file
from mia_actors.supervision.child import parse_settings
from mia_actors.supervision.spec import SupervisorSpec

SettingsT = TypeVar("SettingsT", bound=BaseModel)
GUARDIAN, CYCLE = "guardian", "cycle"


def check_limits(tree: SupervisorSpec, *, instrument: str, path: Path) -> None:
    """Refuses a stop that alone may lose more than the daily loss, and a news calendar that cannot be read.

    Raises:
        ConfigError: the keys, what they say, and what is allowed.
    """
    documents = {child.id: child.settings for _, child in tree.child_specs()}
    guardian = _settings(documents, GUARDIAN, GuardianSettings)
    if guardian is None:
        return
    with_news_file(guardian, path.parent)
    cycle = _settings(documents, CYCLE, CycleSettings)
    if cycle is None:
        return
    contracts = min(guardian.position_contracts_max, cycle.risk.position_contracts_max)
    loss_usd = product(instrument).usd_of(cycle.stop_ticks_max) * contracts
    if loss_usd > guardian.daily_loss_limit_usd:
        allowed = int(guardian.daily_loss_limit_usd / contracts / product(instrument).tick_value_usd)
        raise ConfigError(
            f"{path}: cycle.stop_ticks_max: {cycle.stop_ticks_max} ticks of {contracts} contracts lose "
            f"{loss_usd:.2f} USD, more than guardian.daily_loss_limit_usd {guardian.daily_loss_limit_usd:.2f}; "
            f"allowed: at most {allowed}, or a higher limit"
        )


def _settings(
    documents: dict[str, dict[str, Any]], child_id: str, model: type[SettingsT]
) -> SettingsT | None:
    if child_id not in documents:
        return None
    return cast("SettingsT", parse_settings(model, documents[child_id]))
