"""Readings of closed bars, one worker per timeframe."""
