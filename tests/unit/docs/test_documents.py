"""What the documents show of the code is what the code says."""

import json
import re
from pathlib import Path

from mia_actors.cli.config import SystemConfig, load_config

ROOT = Path(__file__).parents[3]


def test_the_schema_in_the_docs_is_the_code_s() -> None:
    shown = json.loads((ROOT / "docs" / "supervision.schema.json").read_text())
    assert shown == SystemConfig.model_json_schema(), "run: make docs"


def test_the_shipped_tree_is_valid() -> None:
    config = load_config(ROOT / "supervision.yaml")
    assert len(list(config.tree.child_specs())) == 13


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
        if not (document.parent / target).exists()
    ]
    assert broken == []
