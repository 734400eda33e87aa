"""The specification of a tree: data, checked before anything starts."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from mia_actors.supervision.contradictions import contradiction
from mia_actors.supervision.dependencies import cycle_of
from mia_actors.supervision.pool import NodeName

ID_PATTERN = r"^[A-Za-z][A-Za-z0-9_.-]*$"
RUN_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"

ChildName = Annotated[str, Field(pattern=ID_PATTERN)]
CausePattern = Annotated[str, Field(min_length=1, max_length=200)]


class Strategy(StrEnum):
    """Who is restarted with a child that ended."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """The one child listed is a template: copies of it are added while the supervisor runs. Each is restarted
    alone; they are stopped all at once."""


class Restart(StrEnum):
    """Which ends are followed by a restart."""

    PERMANENT = "permanent"
    """Every one."""
    TRANSIENT = "transient"
    """A crash, not an orderly end."""
    TEMPORARY = "temporary"
    """None, not even when a sibling's crash took it down."""


class AutoShutdown(StrEnum):
    """Which ends of significant children end their supervisor too. Ends that were asked for never do."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"
    """That of the last one that was still there."""


class OnBudgetSpent(StrEnum):
    """What a supervisor does when it has restarted more often than it may."""

    EXIT = "exit"
    """Stops its children and ends; its own supervisor decides. At the root: the tree stops."""
    HALT = "halt"
    """The same, after the halt hook was called."""
    LEAVE_DOWN = "leave_down"
    """Stops its children and stays down, also when it cannot start; its siblings are not touched."""


class Fault(StrEnum):
    """What a chaos session may do to a child's process."""

    KILL = "kill"
    """SIGKILL."""
    HANG = "hang"
    """SIGSTOP."""


class Standby(StrEnum):
    """Where the process of a restarted child comes from."""

    POOL = "pool"
    """A spare that waits with its modules imported."""
    COLD = "cold"
    """A new process."""


class NodeAbsent(StrEnum):
    """What a start does while the child's node is not in the cluster."""

    WAIT = "wait"
    """It waits, with all the time it has, until the node is there."""
    FAIL = "fail"
    """It fails at once, and counts as any failed start."""


class Backoff(BaseModel):
    """How long a restart is put off: `first_s`, then `factor` times as long after each failure in a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_s: float = Field(default=0.5, gt=0, le=3600, description="Seconds before the first restart.")
    factor: float = Field(default=2.0, ge=1, le=10, description="How many times longer each next wait is.")
    max_s: float = Field(default=30.0, gt=0, le=86400, description="Seconds no wait exceeds.")
    jitter: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of a wait by which it may be shorter, so that children do not return all at once.",
    )
    stable_after_s: float = Field(
        default=60.0, gt=0, le=86400, description="Seconds it must serve for its failures to be forgotten."
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.first_s > self.max_s:
            raise contradiction(
                f"first_s {self.first_s:g} is more than max_s {self.max_s:g}",
                place=["first_s"],
                allowed="at most max_s",
            )
        return self


class Poisoned(StrEnum):
    """What follows when an input has killed its child too often."""

    SKIP = "skip"
    """The child refuses it from then on, and serves all others."""
    GIVE_UP = "give_up"
    """Its supervisor does what `on_budget_spent` says."""


class Quarantine(BaseModel):
    """What to do about an input that kills whoever serves it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: int = Field(default=3, ge=1, le=100, description="Deaths with one input in hand that are enough.")
    then: Poisoned = Field(default=Poisoned.SKIP, description="What follows the last of them.")


class ChildSpec(BaseModel):
    """One child: a class, how it is started, stopped and restarted, and its settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=ID_PATTERN, description="Name of the child, unique in the tree.")
    run: str = Field(pattern=RUN_PATTERN, description="The child's class as module:Class.")
    restart: Restart = Field(default=Restart.PERMANENT, description="Which ends are followed by a restart.")
    shutdown_s: float | None = Field(
        default=5.0,
        ge=0,
        le=600,
        description="Seconds it may take to stop before it is killed; 0 kills at once, null waits for ever.",
    )
    start_within_s: float = Field(
        default=60.0, gt=0, le=3600, description="Seconds it may take to start before it is killed."
    )
    armed_within_s: float | None = Field(
        default=None,
        ge=0.1,
        le=3600,
        description="Seconds from its start in which it must say that it is armed; null: it is when it has started.",
    )
    alive_within_s: float | None = Field(
        default=5.0,
        ge=0.3,
        le=600,
        description="Seconds its process may give no sign of life before it is killed as hung; null: for ever.",
    )
    progress_within_s: float | None = Field(
        default=60.0,
        ge=0.3,
        le=86400,
        description="Seconds a call or loop of it may go without progress before it is killed; null: for ever.",
    )
    standby: Standby = Field(
        default=Standby.POOL, description="Where the process of its next life comes from."
    )
    settings: dict[str, Any] = Field(default_factory=dict, description="Fields of the class's Settings.")
    significant: bool = Field(
        default=False, description="Whether its own end may end its supervisor; see auto_shutdown."
    )

    backoff: Backoff | None = Field(
        default=None, description="How long its restart is put off; null: not at all, as in OTP."
    )
    give_up_on: tuple[CausePattern, ...] = Field(
        default=(),
        max_length=32,
        description="Causes of death no restart helps against, * is any text: its supervisor gives up at once.",
    )
    quarantine: Quarantine | None = Field(
        default=None,
        description="What to do about inputs it dies of; null: they are neither told apart nor kept.",
    )
    depends_on: tuple[ChildName, ...] = Field(
        default=(),
        max_length=256,
        description="Children of the same supervisor that start before it and stop after it.",
    )
    restart_with_dependants: bool = Field(
        default=False,
        description="Whether one_for_one restarts with it all that depend on it, directly or not.",
    )

    faults: tuple[Fault, ...] = Field(
        default=(Fault.KILL, Fault.HANG), description="What a chaos session may do to it."
    )

    node: NodeName | None = Field(
        default=None,
        description="Node its process runs on, by a custom resource of it or its label mia-node; null: the driver's.",
    )
    node_absent: NodeAbsent = Field(
        default=NodeAbsent.WAIT, description="What a start does while its node is not in the cluster."
    )

    @model_validator(mode="after")
    def _may_be_significant(self) -> Self:
        _check_significance(self)
        return self

    @model_validator(mode="after")
    def _has_a_node_to_miss(self) -> Self:
        if self.node is None and self.node_absent is not NodeAbsent.WAIT:
            raise contradiction(
                f"{self.id!r} has node_absent: {self.node_absent} and no node",
                place=["node_absent"],
                allowed="wait, or a node",
            )
        return self


def _kind(value: object) -> str:
    if isinstance(value, SupervisorSpec):
        return "<supervisor>"
    if isinstance(value, dict) and ("children" in value or "strategy" in value):
        return "<supervisor>"
    return "<child>"


AnySpec = Annotated[
    Annotated[ChildSpec, Tag("<child>")] | Annotated["SupervisorSpec", Tag("<supervisor>")],
    Discriminator(_kind),
]


class SupervisorSpec(BaseModel):
    """One supervisor: a strategy, a restart budget and children in start order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=ID_PATTERN, description="Name of the supervisor, unique in the tree.")
    strategy: Strategy = Field(
        default=Strategy.ONE_FOR_ONE, description="Who is restarted with a child that ended."
    )
    intensity: int = Field(
        default=1, ge=0, le=1000, description="Restarts allowed within period_s; one more spends the budget."
    )
    period_s: float = Field(
        default=5.0, gt=0, le=86400, description="Length of the sliding window in seconds."
    )
    restart: Restart = Field(
        default=Restart.PERMANENT, description="Which of its own ends its supervisor follows by a restart."
    )
    on_budget_spent: OnBudgetSpent = Field(
        default=OnBudgetSpent.EXIT, description="What follows one restart too many."
    )
    children: tuple[AnySpec, ...] = Field(
        description="Children and supervisors in start order; see depends_on."
    )
    significant: bool = Field(
        default=False, description="Whether its own end may end its supervisor; see auto_shutdown."
    )
    auto_shutdown: AutoShutdown = Field(
        default=AutoShutdown.NEVER, description="Which ends of significant children end it too."
    )
    depends_on: tuple[ChildName, ...] = Field(
        default=(),
        max_length=256,
        description="Children of the same supervisor that start before it and stop after it.",
    )
    restart_with_dependants: bool = Field(
        default=False,
        description="Whether one_for_one restarts with it all that depend on it, directly or not.",
    )

    max_children: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Copies a simple_one_for_one supervisor may have at a time; null: any number.",
    )

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen = {self.id}
        for place, spec in self._below(()):
            if spec.id in seen:
                raise contradiction(
                    f"{spec.id!r} is used twice",
                    place=[*place, "id"],
                    allowed="ids unique in the whole tree",
                )
            seen.add(spec.id)
        return self

    @model_validator(mode="after")
    def _may_be_significant(self) -> Self:
        _check_significance(self)
        for index, spec in enumerate(self.children):
            self.check_member(spec, place=["children", index])
        return self

    @model_validator(mode="after")
    def _dependencies_can_be_met(self) -> Self:
        names = [spec.id for spec in self.children]
        for index, spec in enumerate(self.children):
            for number, name in enumerate(spec.depends_on):
                if name not in names:
                    raise contradiction(
                        f"{spec.id!r} depends on {name!r}, which is no child of {self.id!r}",
                        place=["children", index, "depends_on", number],
                        allowed="ids of other children of the same supervisor",
                    )
        cycle = cycle_of(self.children)
        if cycle:
            raise contradiction(
                f"{' -> '.join(cycle)} is a cycle",
                place=["children", names.index(cycle[0]), "depends_on"],
                allowed="dependencies that leave an order to start in",
            )
        return self

    @model_validator(mode="after")
    def _template_is_one_child(self) -> Self:
        if self.strategy is not Strategy.SIMPLE_ONE_FOR_ONE:
            if self.max_children is not None:
                raise contradiction(
                    f"{self.id!r} is {self.strategy} and has max_children",
                    place=["max_children"],
                    allowed="null, or the strategy simple_one_for_one",
                )
            return self
        if len(self.children) != 1 or not isinstance(self.children[0], ChildSpec):
            raise contradiction(
                f"{self.id!r} is simple_one_for_one and cannot have "
                f"{', '.join(spec.id for spec in self.children) or 'nothing'} as its template",
                place=["children"],
                allowed="exactly one child that is no supervisor",
            )
        if self.auto_shutdown is not AutoShutdown.NEVER:
            raise contradiction(
                f"{self.id!r} is simple_one_for_one and has auto_shutdown: {self.auto_shutdown}",
                place=["auto_shutdown"],
                allowed="never",
            )
        return self

    @property
    def template(self) -> ChildSpec | None:
        """What the children of a simple_one_for_one supervisor are copies of."""
        only = self.children[0] if self.strategy is Strategy.SIMPLE_ONE_FOR_ONE else None
        return only if isinstance(only, ChildSpec) else None

    def check_member(self, spec: "ChildSpec | SupervisorSpec", place: Sequence[str | int] = ()) -> None:
        """Whether a child may belong to this supervisor, in which it stands at `place`.

        Raises:
            PydanticCustomError: a significant child under `auto_shutdown: never`.
        """
        if spec.significant and self.auto_shutdown is AutoShutdown.NEVER:
            raise contradiction(
                f"{spec.id!r} is significant and auto_shutdown of {self.id!r} is never",
                place=[*place, "significant"],
                allowed="false, or auto_shutdown any_significant or all_significant",
            )

    def _below(
        self, place: tuple[str | int, ...]
    ) -> Iterator[tuple[tuple[str | int, ...], "ChildSpec | SupervisorSpec"]]:
        for index, spec in enumerate(self.children):
            here = (*place, "children", index)
            yield here, spec
            if isinstance(spec, SupervisorSpec):
                yield from spec._below(here)  # noqa: SLF001 - the same class

    def child_specs(self) -> Iterator[tuple[tuple[str | int, ...], ChildSpec]]:
        """Every child of the whole tree in start order, with its place as keys and indexes below this one."""
        for place, spec in self._below(()):
            if isinstance(spec, ChildSpec):
                yield place, spec


def _check_significance(spec: ChildSpec | SupervisorSpec) -> None:
    if spec.significant and spec.restart is Restart.PERMANENT:
        raise contradiction(
            f"{spec.id!r} is permanent and significant",
            place=["significant"],
            allowed="false, or restart transient or temporary",
        )


_CHILD: TypeAdapter[ChildSpec | SupervisorSpec] = TypeAdapter(AnySpec)


def check_child_specs(
    specs: Iterable[object], auto_shutdown: AutoShutdown = AutoShutdown.NEVER
) -> str | None:
    """What is wrong with these children, as data or as specifications; None when a supervisor may have them."""
    try:
        children = tuple(_CHILD.validate_python(spec) for spec in specs)
        SupervisorSpec(id="checked", auto_shutdown=auto_shutdown, children=children)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("<"))
        return f"{place}: {first['msg']}" if place else first["msg"]
    return None
