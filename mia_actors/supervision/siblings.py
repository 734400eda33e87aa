"""The children of one supervisor in start order: to add, remove and find one costs the same however many."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mia_actors.supervision.nodes import Node


class Siblings:
    """A chain with an index. A node is of one family at a time and knows its neighbours."""

    __slots__ = ("_by_id", "_places", "first", "last")

    def __init__(self) -> None:
        self._by_id: dict[str, Node] = {}
        self._places = 0
        self.first: Node | None = None
        self.last: Node | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> "Iterator[Node]":
        return iter(self._by_id.values())

    def get(self, node_id: str) -> "Node | None":
        """The child of that name."""
        return self._by_id.get(node_id)

    def add(self, node: "Node") -> None:
        """Puts it after all others."""
        self._places += 1
        node.place = self._places
        node.previous, node.next = self.last, None
        if self.last is None:
            self.first = node
        else:
            self.last.next = node
        self.last = node
        self._by_id[node.node_id] = node

    def remove(self, node: "Node") -> None:
        """Takes it out; it still knows who its neighbours were."""
        if self._by_id.get(node.node_id) is not node:
            return
        del self._by_id[node.node_id]
        if node.previous is None:
            self.first = node.next
        else:
            node.previous.next = node.next
        if node.next is None:
            self.last = node.previous
        else:
            node.next.previous = node.previous

    def clear(self) -> None:
        """Takes all out."""
        self._by_id.clear()
        self.first = self.last = None
