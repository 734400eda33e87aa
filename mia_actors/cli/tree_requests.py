"""What a running session does to its tree when another command asks for it."""

from typing import Any

from pydantic import ValidationError

from mia_actors.cli.config import SystemConfig
from mia_actors.core.clock import Clock
from mia_actors.core.errors import ConfigError, PermanentError
from mia_actors.supervision.events import (
    Call,
    CallAnswered,
    CallOutcome,
    HoldChildCall,
    ReleaseChildCall,
    RestartChildCall,
    TerminateChildCall,
)
from mia_actors.supervision.reload import Change, ReloadPlan
from mia_actors.supervision.snapshot import SupervisorView
from mia_actors.supervision.system import System

RELOAD, HOLD, RELEASE, RESTART = "reload", "hold", "release", "restart"
GUARDIAN = "guardian"
SETTLED_WITHIN_S = 60.0
LOOK_EVERY_S = 0.05
UNDER_WAY = frozenset({"starting", "stopping", "restarting"})


class TreeRequests:
    """Carries out one request after the other; see `requests.Answering`."""

    def __init__(self, system: System, config: SystemConfig, clock: Clock) -> None:
        self._system = system
        self._config = config
        self._clock = clock

    def __call__(self, kind: str, body: dict[str, Any]) -> dict[str, Any]:
        """The document of the answer.

        Raises:
            ConfigError: refused; nothing was changed.
            MiaError: it was tried and failed.
        """
        if kind == RELOAD:
            return self._reload(body["config"], dry_run=body["dry_run"])
        if kind in {HOLD, RELEASE, RESTART}:
            return self._one_child(kind, body["child"], body["reason"])
        raise ConfigError(f"this session knows no request {kind!r}; was it started by another version?")

    # --- the whole tree ---

    def _reload(self, document: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
        try:
            wanted = SystemConfig.model_validate(document)
        except ValidationError as error:
            raise ConfigError(f"this session cannot read that configuration: {error}") from error
        check_reloadable(self._config, wanted)
        if dry_run:
            return plan_document(self._system.plan_reload(wanted.tree), applied=False)
        plan = self._system.reload(wanted.tree)
        self._config = wanted
        left = self._wait_settled(plan)
        return plan_document(plan, applied=True) | {"not_up": left}

    def _wait_settled(self, plan: ReloadPlan) -> list[str]:
        """Waits until what the plan starts is up or down for good; names what is under way after that time."""
        deadline_s = self._clock.monotonic_s() + SETTLED_WITHIN_S
        expected = {*plan.of(Change.ADDED), *plan.of(Change.RESTARTED)}
        while True:
            states = _states(self._system.tree().root)
            left = sorted(
                name
                for name in expected | set(plan.of(Change.REMOVED))
                if (name in expected and states.get(name, "starting") in UNDER_WAY)
                or (name not in expected and name in states)
            )
            if not left or self._clock.monotonic_s() > deadline_s:
                return left
            self._clock.sleep_s(LOOK_EVERY_S)

    # --- one child ---

    def _one_child(self, kind: str, child: str, reason: str) -> dict[str, Any]:
        supervisor = _parents(self._system.tree().root).get(child)
        if supervisor is None:
            known = ", ".join(_parents(self._system.tree().root))
            raise ConfigError(f"there is no child {child!r}; allowed: {known}")
        if kind == HOLD:
            if child == GUARDIAN:
                raise ConfigError("the guardian is not held down: stop trading with mia halt")
            self._call(HoldChildCall(supervisor_id=supervisor, child_id=child, cause=reason))
        elif kind == RELEASE:
            self._call(ReleaseChildCall(supervisor_id=supervisor, child_id=child))
        else:
            self._call(TerminateChildCall(supervisor_id=supervisor, child_id=child))
            self._call(RestartChildCall(supervisor_id=supervisor, child_id=child))
        states = _states(self._system.tree().root)
        lives = {view.id: view.incarnation for view in self._system.tree().children}
        return {"child": child, "done": kind, "state": states.get(child), "incarnation": lives.get(child)}

    def _call(self, call: Call) -> CallAnswered:
        answer = self._system.administer(call)
        if answer.outcome is CallOutcome.OK:
            return answer
        said = f"{answer.outcome.value}{': ' if answer.cause else ''}{answer.cause}"
        if answer.outcome is CallOutcome.START_FAILED:
            raise PermanentError(said)
        raise ConfigError(said)


def check_reloadable(running: SystemConfig, wanted: SystemConfig) -> None:
    """Refuses what a running session cannot take over.

    Raises:
        ConfigError: something outside `tree` differs, or the guardian would go.
    """
    for name in sorted(SystemConfig.model_fields.keys() - {"tree"}):
        if getattr(running, name) != getattr(wanted, name):
            raise ConfigError(f"{name}: changed; that needs a new session (end this one, then mia run)")
    if GUARDIAN not in {spec.id for _, spec in wanted.tree.child_specs()}:
        raise ConfigError(f"tree: the child {GUARDIAN!r} is gone; nothing trades without it")


def plan_document(plan: ReloadPlan, *, applied: bool) -> dict[str, Any]:
    """The JSON of `mia reload`."""
    keys = {one.node_id: list(one.keys) for one in plan.nodes if one.keys}
    return {
        "applied": applied,
        **{change.value: list(plan.of(change)) for change in Change},
        "keys": keys,
    }


def _states(view: SupervisorView) -> dict[str, str]:
    found = {view.id: view.state}
    for node in view.children:
        found |= _states(node) if isinstance(node, SupervisorView) else {node.id: node.state}
    return found


def _parents(view: SupervisorView) -> dict[str, str]:
    """By the name of each child and nested supervisor the one it belongs to."""
    found: dict[str, str] = {}
    for node in view.children:
        found[node.id] = view.id
        if isinstance(node, SupervisorView):
            found |= _parents(node)
    return found
