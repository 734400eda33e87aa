"""Targets to orders, exactly once: plan, journal, send, settle."""
