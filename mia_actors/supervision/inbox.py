"""What the thread that owns the tree is started with and what it takes in."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from mia_actors.supervision.events import Event
from mia_actors.supervision.fleet import News
from mia_actors.supervision.spec import PoolSpec, SupervisorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Refill:
    """The pool is to be looked at again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillAsked:
    """Somebody sends a signal to a child's process by hand."""

    child_id: str
    signal_number: int


Message: TypeAlias = Event | News | Refill | KillAsked


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything a supervisor is started with. `session` is passed to the children unread."""

    name: str
    tree: SupervisorSpec
    pool: PoolSpec
    session: Any
    directory: str
    namespace: str
    halt_hook: str | None
    search_path: tuple[str, ...]
