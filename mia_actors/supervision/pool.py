"""The warm pool as it is specified, and the names of nodes children and spares may be put on."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mia_actors.supervision.contradictions import contradiction

NODE_PATTERN = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"
"""What Ray takes as the value of a label, so that a name may be one or the name of a resource."""
OF_EVERY_NODE = frozenset({"CPU", "GPU", "TPU", "memory", "object_store_memory"})
"""Resources that Ray itself gives to nodes: they tell none from another."""


def _tells_nodes_apart(name: str) -> str:
    if name in OF_EVERY_NODE:
        raise contradiction(
            f"{name!r} is a resource Ray itself gives to nodes",
            place=[],
            allowed="a custom resource of that node, or the value of its label mia-node",
        )
    return name


NodeName = Annotated[str, Field(pattern=NODE_PATTERN), AfterValidator(_tells_nodes_apart)]
SpareCount = Annotated[int, Field(ge=0, le=64)]


class PoolSpec(BaseModel):
    """The warm pool: processes that have imported the heavy modules and wait for a part to play."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: int = Field(default=1, ge=0, le=64, description="Spare processes kept ready on the driver's node.")
    preload: tuple[str, ...] = Field(default=(), description="Modules a spare imports before it waits.")
    nodes: dict[NodeName, SpareCount] = Field(
        default_factory=dict, description="Spare processes kept ready on other nodes, by the node's name."
    )

    def size_on(self, place: str | None) -> int:
        """Spares of a node by its name; None is the driver's node."""
        return self.hosts if place is None else self.nodes.get(place, 0)

    def idle_nodes(self, used: Iterable[str | None]) -> tuple[str, ...]:
        """Nodes that spares are wanted on, but that are not among those `used` by children of the tree."""
        known = set(used)
        return tuple(name for name, size in self.nodes.items() if size and name not in known)
