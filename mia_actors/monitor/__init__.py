"""The continuous monitor: figures of machine, models and latency, against thresholds."""
