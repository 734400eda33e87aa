"""Logs, traces and every name that appears in them."""
