#!/usr/bin/env python3
"""Run supervision scenarios (JSON) on the real Erlang/OTP supervisor and record what it does.

usage: reference.py SCENARIO.json [...]        prints each trace as JSON lines
       reference.py --record DIR               writes NAME.trace.jsonl beside each NAME.scenario.json
Needs `escript` (Debian package erlang-base). See README.md for the formats.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

HERE = pathlib.Path(__file__).resolve().parent


def term(value: Any) -> str:
    """A JSON value as an Erlang term; strings become atoms."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return "'" + value + "'"
    if isinstance(value, list):
        return "[" + ",".join(map(term, value)) + "]"
    return "#{" + ",".join(f"{term(key)} => {term(item)}" for key, item in value.items()) + "}"


def run(scenario: dict[str, Any]) -> list[dict[str, Any]]:
    """The trace the real supervisor leaves."""
    with tempfile.NamedTemporaryFile("w", suffix=".term", delete=False) as file:
        file.write(term({key: scenario[key] for key in ("supervisor", "children", "steps")}) + ".\n")
    try:
        done = subprocess.run(
            ["escript", str(HERE / "otp_reference.erl"), file.name],
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        pathlib.Path(file.name).unlink()
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main(argv: list[str]) -> None:
    """Prints or records."""
    if argv[:1] == ["--record"]:
        for path in sorted(pathlib.Path(argv[1]).glob("*.scenario.json")):
            lines = run(json.loads(path.read_text()))
            out = path.with_name(path.name.replace(".scenario.json", ".trace.jsonl"))
            out.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))
        return
    for name in argv:
        for line in run(json.loads(pathlib.Path(name).read_text())):
            sys.stdout.write(json.dumps(line, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
