"""Supervised Ray actors that trade E-mini S&P 500 futures through Interactive Brokers.

The public Python API (docs/api.md) is `MLEnsembleFilter`, `GammaCyclesAnalyzer`, `MIAAutomationSystem` and
`AutomationConfig`. They are imported when they are asked for: `import mia_actors` alone costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mia_actors.api.automation import AutomationConfig, MIAAutomationSystem
    from mia_actors.api.ensemble_filter import MLEnsembleFilter, SignalQuality
    from mia_actors.api.gamma_cycles import GammaCycleAnalysis, GammaCyclesAnalyzer, GammaCyclesConfig

__version__ = "0.1.0"
__all__ = [
    "AutomationConfig",
    "GammaCycleAnalysis",
    "GammaCyclesAnalyzer",
    "GammaCyclesConfig",
    "MIAAutomationSystem",
    "MLEnsembleFilter",
    "SignalQuality",
    "__version__",
]
_HOMES = {
    "AutomationConfig": "automation",
    "GammaCycleAnalysis": "gamma_cycles",
    "GammaCyclesAnalyzer": "gamma_cycles",
    "GammaCyclesConfig": "gamma_cycles",
    "MIAAutomationSystem": "automation",
    "MLEnsembleFilter": "ensemble_filter",
    "SignalQuality": "ensemble_filter",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - only when somebody asks

    return getattr(import_module(f"mia_actors.api.{_HOMES[name]}"), name)
