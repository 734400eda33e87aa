"""Strategies: pure functions of features; one module each."""
