"""What the shipped models say of a signal, where the month stands in its gamma cycle, and how both refuse."""

from datetime import datetime
from zoneinfo import ZoneInfo

from mia_actors import GammaCyclesAnalyzer, MLEnsembleFilter

SIGNAL = {
    "momentum_flow": 0.62,  # 1 speaks for the side of the signal, 0 against it
    "trend_alignment": 0.71,
    "volume_profile": 0.55,
    "support_resistance": 0.40,
    "confluence_score": 0.68,
    "market_regime_score": 0.66,
    "volatility_regime": 0.25,
    "time_factor": 0.75,
}

models = MLEnsembleFilter("models")
quality = models.predict_signal_quality(SIGNAL)
print(f"approved {quality.approved}, P(good) {quality.confidence:.3f}: {quality.reason}")

without_momentum = {name: value for name, value in SIGNAL.items() if name != "momentum_flow"}
refused = models.predict_signal_quality(without_momentum)
print(f"approved {refused.approved}: {refused.reason}")

moment = datetime(2025, 4, 17, 10, 30, tzinfo=ZoneInfo("America/New_York"))
cycle = GammaCyclesAnalyzer().analyze_gamma_cycle(moment)
print(f"{cycle.day}: {cycle.reason}; size x{cycle.size_multiplier}, volatility {cycle.expected_volatility}")
