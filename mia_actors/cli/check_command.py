"""`mia check` and `mia schema`."""

from pathlib import Path
from typing import Annotated

import typer

from mia_actors.cli.app import DEFAULT_CONFIG, ExitCode, JsonOption, app, guarded, print_json, results
from mia_actors.cli.config import SystemConfig, load_config
from mia_actors.core.errors import ConfigError


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(help="The file to check.")] = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Validate supervision.yaml, every child's settings included. Example: mia check supervision.yaml."""

    def command() -> int:
        try:
            config = load_config(file)
        except ConfigError as error:
            if not as_json:
                raise
            print_json({"file": str(file), "valid": False, "findings": str(error).splitlines()})
            return ExitCode.USAGE
        children = [child.id for _, child in config.tree.child_specs()]
        if as_json:
            print_json({"file": str(file), "valid": True, "findings": [], "children": children})
        else:
            results.print(f"{file}: valid; {len(children)} children: {', '.join(children)}", highlight=False)
        return ExitCode.DONE

    guarded(command)


@app.command("schema")
def schema() -> None:
    """Print the JSON Schema of supervision.yaml. Example: mia schema > supervision.schema.json."""
    print_json(SystemConfig.model_json_schema())
