"""Supervised Ray actors that trade E-mini S&P 500 futures through Interactive Brokers."""

__version__ = "0.1.0"
