"""What the thread that owns the tree is started with and what it takes in."""

from dataclasses import dataclass
from typing import Any, TypeAlias

from mia_actors.supervision.events import Event
from mia_actors.supervision.news import News
from mia_actors.supervision.pool import PoolSpec
from mia_actors.supervision.spec import SupervisorSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Refill:
    """The pool is to be looked at again."""


Message: TypeAlias = Event | News | Refill


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Everything a supervisor is started with. `session` is passed to the children unread."""

    name: str
    """Of all its supervisors and hosts: their own names begin with it."""
    tree: SupervisorSpec
    pool: PoolSpec
    session: Any
    directory: str
    namespace: str
    halt_hook: str | None
    search_path: tuple[str, ...]
