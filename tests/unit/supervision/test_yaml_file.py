"""A wrong file is refused with file, line, key, what is wrong and what is allowed."""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from mia_actors.core.errors import ConfigError
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.spec import SupervisorSpec
from mia_actors.supervision.yaml_file import YamlDocument, load_yaml, validate_children, validate_pool


class Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    pool: PoolSpec
    tree: SupervisorSpec
    pace: str = Field(default="lockstep", description="How fast.")


Write = Callable[[str], Path]
GOOD = """\
pool: {hosts: 2, preload: [json]}
pace: 9:30
tree:
  id: root
  strategy: rest_for_one
  intensity: 3
  period_s: 60
  on_budget_spent: halt
  children:
    - {id: a, run: well_behaved:Child, settings: {limit: 3}}
    - id: inner
      on_budget_spent: leave_down
      children:
        - {id: b, run: well_behaved:Child, restart: transient, shutdown_s: 0, settings: {limit: 1}}
"""
MODULE = """
from pydantic import BaseModel, ConfigDict, Field

class Child:
    class Settings(BaseModel):
        model_config = ConfigDict(frozen=True, extra="forbid")
        limit: int = Field(gt=0, le=10, description="Contracts.")
        folder: str = ""
    def start(self): ...
    def stop(self): ...

class Bare:
    def start(self): ...

class Stopless:
    class Settings(BaseModel): ...
    def start(self): ...
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def writer(text: str) -> Path:
        path = tmp_path / "system.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return writer


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "well_behaved.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "raises_on_import.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("well_behaved", "raises_on_import"):
        sys.modules.pop(name, None)


def read(path: Path) -> YamlDocument[Document]:
    document = load_yaml(path, Document)
    validate_children(document, document.value.tree)
    validate_pool(document, document.value.pool, document.value.tree, key="pool")
    return document


def refused(path: Path) -> list[str]:
    """The lines of the refusal, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        read(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_good_file_is_read(write: Write) -> None:
    value = read(write(GOOD)).value
    assert value.pace == "9:30", "YAML 1.1 would make 570 of it"
    assert [spec.id for _, spec in value.tree.child_specs()] == ["a", "b"]
    assert value.pool.preload == ("json",)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        (
            "intensity: 3",
            'intensity: "3"',
            "6: tree.intensity: '3' is of the wrong type; allowed: a whole number",
        ),
        (
            "intensity: 3",
            "intensity: true",
            "6: tree.intensity: True is of the wrong type; allowed: a whole number",
        ),
        (
            "intensity: 3",
            "intensity: 3.5",
            "6: tree.intensity: 3.5 is of the wrong type; allowed: a whole number",
        ),
        (
            "intensity: 3",
            "intensity: -1",
            (
                "6: tree.intensity: -1 is out of range; allowed: at least 0 "
                "(Restarts allowed within period_s; one more spends the budget)"
            ),
        ),
        (
            "period_s: 60",
            "perod_s: 60",
            (
                "7: tree.perod_s: unknown key, did you mean 'period_s'?; allowed: "
                "id, strategy, intensity, period_s, restart, on_budget_spent, children"
            ),
        ),
        (
            "strategy: rest_for_one",
            "strategy: rest_for_two",
            "5: tree.strategy: 'rest_for_two' is not allowed; allowed: one_for_one, one_for_all",
        ),
        (
            "id: inner",
            "id: a",
            "11: tree.children[1].id: 'a' is used twice; allowed: ids unique in the whole tree",
        ),
        (
            "restart: transient",
            "restart: never",
            (
                "14: tree.children[1].children[0].restart: 'never' is not allowed; "
                "allowed: permanent, transient or temporary"
            ),
        ),
        (
            "{id: a, run: well_behaved:Child, settings: {limit: 3}}",
            "{run: well_behaved:Child}",
            (
                "10: tree.children[0].id: missing key (Name of the child, unique in the tree); allowed: "
                "id, run, restart, shutdown_s, start_within_s, armed_within_s, alive_within_s, progress_within_s, "
                "standby, settings, significant, backoff, give_up_on, quarantine, depends_on, "
                "restart_with_dependants, faults"
            ),
        ),
        (
            "id: inner",
            "id: inner\n      id: other",
            "11: tree.children[1].id: given again in line 12; allowed: once",
        ),
        ("id: root", "id: 1st", "4: tree.id: '1st' is not allowed; allowed: text like "),
        ("hosts: 2", "hosts: !odd 2", "1: pool.hosts: tag '!odd' is not understood"),
        ("hosts: 2", "hosts: &x [*x]", "1: pool.hosts[0]: an alias that contains itself"),
        (
            "pool: {hosts: 2, preload: [json]}",
            "? [a]\n: 1",
            "1: line 1: a key that is not text; allowed: text",
        ),
        (
            "limit: 3",
            "limit: 11",
            "10: tree.children[0].settings.limit: 11 is out of range; allowed: at most 10",
        ),
        (
            "limit: 3",
            "limt: 3",
            "10: tree.children[0].settings.limit: missing key (Contracts); allowed: limit, folder",
        ),
        ("limit: 3", "limit: x", "10: tree.children[0].settings.limit: 'x' is of the wrong type"),
        (
            "run: well_behaved:Child, settings: {limit: 3}",
            "run: well_behaved:Chidl",
            (
                "10: tree.children[0].run: module 'well_behaved' has no class 'Chidl'; "
                "did you mean 'Child'?; allowed: module:Class"
            ),
        ),
        (
            "run: well_behaved:Child, s",
            "run: no_such.module:Child, s",
            "10: tree.children[0].run: module 'no_such.",
        ),
        (
            "run: well_behaved:Child, s",
            "run: raises_on_import:Child, s",
            (
                "10: tree.children[0].run: module 'raises_on_import' cannot be imported "
                "(ZeroDivisionError: division by zero); allowed: module:Class"
            ),
        ),
        (
            "run: well_behaved:Child, s",
            "run: well_behaved:Bare, s",
            "10: tree.children[0].run: well_behaved:Bare has no pydantic model named Settings",
        ),
        (
            "run: well_behaved:Child, s",
            "run: well_behaved:Stopless, s",
            "10: tree.children[0].run: well_behaved:Stopless has no method 'stop'",
        ),
        ("children:\n    -", "children: [\n    -", "10: expected the node content"),
        (
            "run: well_behaved:Child, s",
            "significant: true, run: well_behaved:Child, s",
            "10: tree.children[0].significant: 'a' is permanent and significant; allowed: false, or restart",
        ),
        (
            "run: well_behaved:Child, s",
            "significant: true, restart: transient, run: well_behaved:Child, s",
            "10: tree.children[0].significant: 'a' is significant and auto_shutdown of 'root' is never; allowed",
        ),
        (
            "run: well_behaved:Child, s",
            "backoff: {first_s: 9, max_s: 3}, run: well_behaved:Child, s",
            "10: tree.children[0].backoff.first_s: first_s 9 is more than max_s 3; allowed: at most max_s",
        ),
        (
            "run: well_behaved:Child, s",
            "faults: [explode], run: well_behaved:Child, s",
            "10: tree.children[0].faults[0]: 'explode' is not allowed; allowed: kill or hang",
        ),
    ],
)
def test_what_is_wrong_is_named_by_line_and_key(write: Write, wrong: str, right: str, said: str) -> None:
    text = GOOD.replace(wrong, right, 1)
    assert text != GOOD
    assert refused(write(text))[0].startswith(said)


def test_a_module_to_preload_that_is_not_there_is_refused(write: Write) -> None:
    text = GOOD.replace("json", "json, jsn")
    assert text != GOOD
    assert refused(write(text))[0].split(": ", 1)[1] == (
        "pool.preload[1]: there is no module 'jsn'; allowed: modules of Python's path"
    )


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file(write: Write) -> None:
    text = (
        GOOD.replace("hosts: 2", "hosts: 200")
        .replace("intensity: 3", "intensity: x")
        .replace("id: b", "di: b")
    )
    assert [line.split(": ")[1] for line in refused(write(text))] == [
        "pool.hosts",
        "tree.intensity",
        "tree.children[1].children[0].id",
        "tree.children[1].children[0].di",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ":1: the file is empty; needed: pool, tree, pace"),
        (b"- 1\n", ":1: [1] is of the wrong type; allowed: keys and values"),
        (b"\xff\xfe\x00", ": is not UTF-8 text"),
        (b"a: \x01\n", ":1: not YAML: "),
    ],
)
def test_what_is_no_document_at_all_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "system.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_yaml(path, Document)
    assert str(caught.value).startswith(f"{path}{said}")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_yaml(tmp_path / "none.yaml", Document)
