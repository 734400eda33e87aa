"""Which node of the cluster a node's name in the specification means. Pure: what Ray says of its nodes comes in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

NODE_LABEL = "mia-node"
"""Label whose value is a name of the node, as the names of its resources are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What Ray says of one node."""

    node_id: str
    alive: bool
    names: frozenset[str]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "NodeFacts":
        """As `ray.nodes()` lists it. Ray forgets the resources of the dead."""
        resources: Mapping[str, float] = row.get("Resources") or {}
        labels: Mapping[str, str] = row.get("Labels") or {}
        named = {name for name, amount in resources.items() if amount > 0}
        named |= {name for label, name in labels.items() if label == NODE_LABEL}
        return cls(node_id=str(row["NodeID"]), alive=bool(row["Alive"]), names=frozenset(named))


class Placement:
    """What each name means now: one living node that has it, and the same one as long as that lives."""

    def __init__(self) -> None:
        self._chosen: dict[str, str] = {}
        self._dead: set[str] = set()

    def node_of(self, name: str) -> str | None:
        """The node; None while there is none of that name."""
        return self._chosen.get(name)

    def is_dead(self, node_id: str) -> bool:
        """Whether Ray has confirmed its death; a node that it does not list is not known to be dead."""
        return node_id in self._dead

    def keep(self, name: str, node_id: str) -> None:
        """A child or spare of that name is on this node already."""
        self._chosen.setdefault(name, node_id)

    def look(self, nodes: Iterable[NodeFacts], names: Iterable[str]) -> tuple[str, ...]:
        """Takes in what Ray says now, and chooses for the names that are wanted.

        Returns:
            Nodes whose death was confirmed since the last look.
        """
        listed = sorted(nodes, key=lambda node: node.node_id)
        died = tuple(node.node_id for node in listed if not node.alive and node.node_id not in self._dead)
        self._dead.update(died)
        self._chosen = {name: chosen for name, chosen in self._chosen.items() if chosen not in self._dead}
        for name in names:
            fit = next((node.node_id for node in listed if node.alive and name in node.names), None)
            if fit is not None:
                self._chosen.setdefault(name, fit)
        return died
