"""Telling people of restarts, guardian levels and alerts: to Discord, or to a dry run."""
