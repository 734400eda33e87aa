"""What an edited specification changes in a tree: who comes, goes, is restarted, or changed in place. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from mia_actors.supervision.dependencies import start_order
from mia_actors.supervision.spec import ChildSpec, Strategy, SupervisorSpec

OF_THE_PROCESS = frozenset({"node", "quarantine", "run", "settings"})
"""What the process of a child was made with; everything else of it is changed in place."""
STRUCTURE = frozenset({"children"})
ORDER = "order"


class Change(StrEnum):
    """What becomes of a node."""

    ADDED = "added"
    REMOVED = "removed"
    RESTARTED = "restarted"
    """With all below it, where it is a supervisor."""
    CHANGED = "changed"
    """In place: nothing is stopped."""
    UNTOUCHED = "untouched"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One node of the old tree or the new one."""

    node_id: str
    supervisor_id: str
    change: Change
    keys: tuple[str, ...] = ()
    """What differs, where that is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadPlan:
    """Every node there was or will be: those that stay or come in start order, then those that go."""

    nodes: tuple[Planned, ...]

    def of(self, change: Change) -> tuple[str, ...]:
        """Ids of the nodes with that change, in order."""
        return tuple(one.node_id for one in self.nodes if one.change is change)

    @property
    def changes_nothing(self) -> bool:
        """Whether the two are the same."""
        return all(one.change is Change.UNTOUCHED for one in self.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPlan:
    """What becomes of the children of one supervisor that stays."""

    removed: frozenset[str]
    added: frozenset[str]
    restarted: frozenset[str]

    @property
    def stopped(self) -> frozenset[str]:
        """Those that are to be down before anything else is done."""
        return self.removed | self.restarted

    @property
    def started(self) -> frozenset[str]:
        """Those that are to be started then."""
        return self.added | self.restarted


def why_not(old: SupervisorSpec, new: SupervisorSpec) -> str | None:
    """Why a tree cannot become another one while it runs; None when it can."""
    if old.id != new.id:
        return f"the tree is {old.id!r} and cannot become {new.id!r}"
    if _must_restart(old, new):
        return f"{old.id!r} cannot change to or from simple_one_for_one while it runs"
    before, after = dict(_parents(old)), dict(_parents(new))
    for name, parent in after.items():
        if before.get(name, parent) != parent:
            return (
                f"{name!r} moves from {before[name]!r} to {parent!r}; "
                "reload once without it, then once with it in its new place"
            )
    return None


def plan_reload(old: SupervisorSpec, new: SupervisorSpec) -> ReloadPlan:
    """What `new` changes; both may be of one running tree, see `why_not`."""
    root = Planned(node_id=new.id, supervisor_id="", change=_change_of(old, new), keys=_differing(old, new))
    return ReloadPlan(nodes=(root, *_staying(old, new), *_going(old, new)))


def plan_level(old: SupervisorSpec, new: SupervisorSpec) -> LevelPlan:
    """The same of the children of one supervisor, which stays."""
    before = {spec.id: spec for spec in old.children}
    after = {spec.id: spec for spec in new.children}
    return LevelPlan(
        removed=frozenset(before.keys() - after.keys()),
        added=frozenset(after.keys() - before.keys()),
        restarted=frozenset(
            name for name, spec in after.items() if name in before and _must_restart(before[name], spec)
        ),
    )


def same_level(old: SupervisorSpec, new: SupervisorSpec) -> bool:
    """Whether a supervisor and its children are the same but for what is below nested supervisors."""
    if _differing(old, new) or [spec.id for spec in old.children] != [spec.id for spec in new.children]:
        return False
    pairs = zip(old.children, new.children, strict=True)
    return not any(_differing(before, after) or _must_restart(before, after) for before, after in pairs)


def _staying(old: SupervisorSpec, new: SupervisorSpec) -> Iterator[Planned]:
    before = {spec.id: spec for spec in old.children}
    in_other_order = _common_order(old, new) != _common_order(new, old)
    for spec in start_order(new.children):
        known = before.get(spec.id)
        if known is None:
            yield from _all(spec, new.id, Change.ADDED)
            continue
        if _must_restart(known, spec):
            keys = _differing(known, spec) or ("children",)
            yield Planned(node_id=spec.id, supervisor_id=new.id, change=Change.RESTARTED, keys=keys)
            if isinstance(spec, SupervisorSpec):
                for below in spec.children:
                    yield from _all(below, spec.id, Change.RESTARTED)
            continue
        keys = _differing(known, spec) + ((ORDER,) if in_other_order else ())
        change = Change.CHANGED if keys else Change.UNTOUCHED
        yield Planned(node_id=spec.id, supervisor_id=new.id, change=change, keys=keys)
        if isinstance(spec, SupervisorSpec) and isinstance(known, SupervisorSpec):
            yield from _staying(known, spec)


def _going(old: SupervisorSpec, new: SupervisorSpec) -> Iterator[Planned]:
    after = {spec.id: spec for spec in new.children}
    for spec in reversed(start_order(old.children)):
        known = after.get(spec.id)
        if known is None:
            yield from reversed(list(_all(spec, old.id, Change.REMOVED)))
        elif isinstance(spec, SupervisorSpec) and isinstance(known, SupervisorSpec):
            yield from _going(spec, known)


def _all(spec: ChildSpec | SupervisorSpec, supervisor_id: str, change: Change) -> Iterator[Planned]:
    yield Planned(node_id=spec.id, supervisor_id=supervisor_id, change=change)
    if isinstance(spec, SupervisorSpec):
        for below in start_order(spec.children):
            yield from _all(below, spec.id, change)


def _must_restart(old: ChildSpec | SupervisorSpec, new: ChildSpec | SupervisorSpec) -> bool:
    if isinstance(old, ChildSpec) and isinstance(new, ChildSpec):
        return bool(OF_THE_PROCESS & set(_differing(old, new)))
    if isinstance(old, SupervisorSpec) and isinstance(new, SupervisorSpec):
        dynamic = Strategy.SIMPLE_ONE_FOR_ONE in {old.strategy, new.strategy}
        return dynamic and (old.strategy is not new.strategy or old.children != new.children)
    return True


def _change_of(old: SupervisorSpec, new: SupervisorSpec) -> Change:
    return Change.CHANGED if _differing(old, new) else Change.UNTOUCHED


def _differing(old: ChildSpec | SupervisorSpec, new: ChildSpec | SupervisorSpec) -> tuple[str, ...]:
    """Keys with other values; what is below a supervisor is told of the nodes themselves."""
    if type(old) is not type(new):
        return ("children",)
    names = type(new).model_fields.keys() - STRUCTURE
    return tuple(sorted(name for name in names if getattr(old, name) != getattr(new, name)))


def _common_order(spec: SupervisorSpec, other: SupervisorSpec) -> list[str]:
    """Start order of the children that both have."""
    known = {below.id for below in other.children}
    return [below.id for below in start_order(spec.children) if below.id in known]


def _parents(spec: SupervisorSpec) -> Iterator[tuple[str, str]]:
    for below in spec.children:
        yield below.id, spec.id
        if isinstance(below, SupervisorSpec):
            yield from _parents(below)
