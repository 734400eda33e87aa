"""The executor as a supervised child: opens the journal, reconciles, then serves targets."""

from typing import cast

from pydantic import BaseModel, ConfigDict, Field

from mia_actors.broker.desk_client import BrokerDeskClient
from mia_actors.core.clock import NS_PER_S
from mia_actors.core.codec import prepare
from mia_actors.core.decisions import TargetPosition
from mia_actors.core.orders import Fill, OrderSpec
from mia_actors.core.session import SessionInfo
from mia_actors.execution.executor import Executor
from mia_actors.execution.journal import SCHEMA, SCHEMA_VERSION, OrderJournal
from mia_actors.execution.messages import Applied, Settlement
from mia_actors.execution.permits import GuardianPermits
from mia_actors.store.sqlite import open_database
from mia_actors.supervision.child import ChildContext
from mia_actors.telemetry import conventions, tracing

ORDERS_FILE = "orders.db"


class ExecutorSettings(BaseModel):
    """Limits of sending."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    send_attempts_max: int = Field(default=5, ge=1, le=20, description="Tries to get one group acknowledged.")
    entry_age_max_s: float = Field(
        default=30.0, gt=0, le=600, description="Market seconds after which an unsent entry is dropped."
    )
    permit_wait_s: float = Field(
        default=30.0, gt=0, le=300, description="Seconds to wait for an unavailable guardian, then refuse."
    )


class ExecutorActor:
    """Shell around `Executor`. It is up once the journal agrees with the broker."""

    Settings = ExecutorSettings

    def __init__(self, settings: ExecutorSettings, context: ChildContext) -> None:
        self._settings = settings
        self._context = context
        self._session = cast("SessionInfo", context.session)
        self._journal: OrderJournal | None = None
        self._executor: Executor | None = None
        self._permits: GuardianPermits | None = None

    def start(self) -> None:
        """Opens `orders.db` and reconciles with the broker.

        Raises:
            BrokerDisconnected: the broker could not be asked.
        """
        connection = open_database(
            self._session.path(ORDERS_FILE), schema_version=SCHEMA_VERSION, schema=SCHEMA, durable=True
        )
        self._journal = OrderJournal(connection)
        prepare(TargetPosition, OrderSpec, Applied, Fill)
        self._permits = GuardianPermits(
            self._context.ref("guardian"),
            incarnation=self._context.incarnation,
            wait_s=self._settings.permit_wait_s,
            clock=self._context.clock,
        )
        self._executor = Executor(
            journal=self._journal,
            desk=BrokerDeskClient(self._context.ref("broker")),
            permits=self._permits,
            product=self._session.product,
            monotonic_ns=lambda: round(self._context.clock.monotonic_s() * NS_PER_S),
            send_attempts_max=self._settings.send_attempts_max,
            entry_age_max_s=self._settings.entry_age_max_s,
        )
        self._executor.reconcile()
        self._context.armed()

    def stop(self) -> None:
        """Closes the journal."""
        if self._journal is not None:
            self._journal.close()

    def prepare(self, event_time_ns: int) -> None:
        """A target of that market time may come: fetches the permit it would need."""
        if self._permits is not None:
            self._permits.prefetch(event_time_ns)

    def apply(self, target: TargetPosition, held_contracts: int) -> Applied:
        """See `Executor.apply`."""
        with tracing.span(conventions.SPAN_REACH_TARGET):
            return self._ready().apply(target, held_contracts)

    def settle(self) -> Settlement:
        """See `Executor.settle`."""
        return self._ready().settle()

    def _ready(self) -> Executor:
        if self._executor is None:
            raise RuntimeError("asked before start")
        return self._executor
