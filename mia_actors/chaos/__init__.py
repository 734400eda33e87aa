"""Faults on purpose: a seeded plan, an agent that carries it out on a running session, and the verdict."""
