"""What a command asks of a running session is done once and answered, whatever comes of it."""

import threading
from pathlib import Path
from typing import Any

import pytest

from mia_actors.cli.config import SystemConfig, load_config
from mia_actors.cli.requests import Answering, ask
from mia_actors.cli.tree_requests import check_reloadable, plan_document
from mia_actors.core.clock import SystemClock, VirtualClock
from mia_actors.core.errors import ConfigError, PermanentError, TargetUnavailable
from mia_actors.core.ids import RandomIds
from mia_actors.supervision.reload import plan_reload
from mia_actors.supervision.spec import SupervisorSpec

SHIPPED = Path(__file__).parents[3] / "supervision.yaml"
WITHIN_S = 20.0


def asked(folder: Path, kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return ask(folder, kind, body, within_s=WITHIN_S, clock=SystemClock(), ids=RandomIds())


class Session:
    """Answers by kind, and remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        self.seen.append((kind, body))
        if kind == "refuse":
            raise ConfigError("not like that")
        if kind == "fail":
            raise PermanentError("it broke")
        if kind == "bug":
            raise ZeroDivisionError("by nothing")
        return {"done": kind}


def test_a_request_is_done_once_and_its_answer_comes_back(tmp_path: Path) -> None:
    session = Session()
    with Answering(tmp_path, session):
        assert asked(tmp_path, "hold", {"child": "a"}) == {"done": "hold"}
        assert asked(tmp_path, "release", {"child": "a"}) == {"done": "release"}
    assert session.seen == [("hold", {"child": "a"}), ("release", {"child": "a"})]
    assert list((tmp_path / "requests").iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("refuse", ConfigError, "not like that"),
        ("fail", PermanentError, "it broke"),
        ("bug", PermanentError, "ZeroDivisionError: by nothing"),
    ],
)
def test_a_refusal_and_a_failure_reach_whoever_asked_and_the_session_goes_on(
    tmp_path: Path, kind: str, error: type[Exception], said: str
) -> None:
    with Answering(tmp_path, Session()):
        with pytest.raises(error, match=said):
            asked(tmp_path, kind, {})
        assert asked(tmp_path, "again", {}) == {"done": "again"}


def test_a_file_that_is_no_request_is_removed_and_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "0.request.json").write_text("{")
    with Answering(tmp_path, Session()):
        assert asked(tmp_path, "hold", {}) == {"done": "hold"}
    assert list((tmp_path / "requests").iterdir()) == []


def test_who_gets_no_answer_in_time_withdraws_the_request(tmp_path: Path) -> None:
    with pytest.raises(TargetUnavailable, match="no answer within 5 s"):
        ask(tmp_path, "hold", {}, within_s=5, clock=VirtualClock(), ids=RandomIds())
    assert list((tmp_path / "requests").iterdir()) == []


def test_requests_of_two_commands_are_both_answered(tmp_path: Path) -> None:
    found: list[dict[str, Any]] = []
    with Answering(tmp_path, Session()):
        threads = [
            threading.Thread(target=lambda kind=kind: found.append(asked(tmp_path, kind, {})))
            for kind in ("one", "two")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WITHIN_S)
    assert sorted(one["done"] for one in found) == ["one", "two"]


@pytest.fixture(scope="module")
def shipped() -> SystemConfig:
    return load_config(SHIPPED)


def test_only_the_tree_may_change_in_a_running_session(shipped: SystemConfig) -> None:
    check_reloadable(shipped, shipped)
    other = shipped.model_copy(update={"session": shipped.session.model_copy(update={"pace": "1x"})})
    with pytest.raises(ConfigError, match="session: changed; that needs a new session"):
        check_reloadable(shipped, other)


def test_the_guardian_cannot_be_edited_away(shipped: SystemConfig) -> None:
    children = tuple(child for child in shipped.tree.children if child.id != "guardian")
    tree = shipped.tree.model_copy(update={"children": children})
    with pytest.raises(ConfigError, match="nothing trades without it"):
        check_reloadable(shipped, shipped.model_copy(update={"tree": tree}))


def test_the_document_has_every_change_by_name() -> None:
    def tree(*children: dict[str, Any]) -> SupervisorSpec:
        return SupervisorSpec.model_validate({"id": "root", "children": children})

    old = tree({"id": "a", "run": "m:A"}, {"id": "b", "run": "m:B"})
    new = tree({"id": "a", "run": "m:A", "shutdown_s": 1}, {"id": "c", "run": "m:C"})
    assert plan_document(plan_reload(old, new), applied=False) == {
        "applied": False,
        "added": ["c"],
        "removed": ["b"],
        "restarted": [],
        "changed": ["a"],
        "untouched": ["root"],
        "keys": {"a": ["shutdown_s"]},
    }
