"""A session of the simulated gateway, started, looked at and ended from Python. Takes a few minutes of the tape."""

import sys
from pathlib import Path

from mia_actors import AutomationConfig, MIAAutomationSystem

config = AutomationConfig(
    config=Path("supervision.yaml"),
    state=Path(sys.argv[1] if len(sys.argv) > 1 else ".mia"),
    tape="synthetic:7",
    pace="lockstep",
    cycles=120,
)
system = MIAAutomationSystem(config)
print(f"session {system.start()} is up")
print(f"running: {system.get_status()['running']}")
code = system.wait(within_s=300)
summary = system.get_status()["summary"]
print(f"ended with code {code}: {summary}")
