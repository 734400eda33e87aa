"""`python -m mia_actors.cli.drill_trader FOLDER`: what a drill halts, in one process without Ray.

Stands in for trader and guardian: holds a position with stop and target at the broker, and beats as a
guardian does, as long as it has its broker session.
"""

import ctypes
import signal
import sys
import threading
from pathlib import Path

from mia_actors.broker.session import IbSession, SessionEvents, SessionLimits
from mia_actors.cli.assignment import read_assignment
from mia_actors.cli.deadman_command import LOGS
from mia_actors.core.clock import NS_PER_S, SystemClock
from mia_actors.core.market import Bar
from mia_actors.core.orders import EXECUTOR_PREFIX, OrderSpec, OrderType, Purpose, Side, order_ref
from mia_actors.guardian.actor import HEARTBEAT
from mia_actors.guardian.deadman_session import ROLL_DAYS
from mia_actors.guardian.latch import Latch
from mia_actors.telemetry.logs import configure_logging

TRADING = "trading"
HOLDING = "holding"
BEAT_EVERY_S = 0.5
LOOK_EVERY_S = 0.05
WAIT_S = 20.0
FAR_TICKS = 400
"""From the price to stop and target: no drill is so long that the market comes there."""
PR_SET_PDEATHSIG = 1


def bracket(bar: Bar) -> tuple[OrderSpec, ...]:
    """A long contract at the market, with stop and target far away."""

    def leg(purpose: Purpose, side: Side, order_type: OrderType, **more: int | str) -> OrderSpec:
        return OrderSpec(
            order_ref=order_ref(EXECUTOR_PREFIX, bar.instrument, bar.end_ns, purpose),
            instrument=bar.instrument,
            side=side,
            quantity=1,
            order_type=order_type,
            purpose=purpose,
            decided_at_ns=bar.end_ns,
            **more,  # type: ignore[arg-type]
        )

    entry = leg(Purpose.ENTRY, Side.BUY, OrderType.MARKET)
    low, high = bar.close_ticks - FAR_TICKS, bar.close_ticks + FAR_TICKS
    return (
        entry,
        leg(Purpose.STOP, Side.SELL, OrderType.STOP, stop_ticks=low, parent_ref=entry.order_ref),
        leg(Purpose.TARGET, Side.SELL, OrderType.LIMIT, limit_ticks=high, parent_ref=entry.order_ref),
    )


def main(folder: Path) -> int:
    """Trades once, says so on standard output, and beats until killed or cut off."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # a stopped one must not outlive the drill
    session = read_assignment(folder).session
    configure_logging(directory=Path(session.state_dir) / LOGS, process="trader")
    clock = SystemClock()
    bars: list[Bar] = []
    came, cut = threading.Event(), threading.Event()

    def on_bar(bar: Bar) -> None:
        bars.append(bar)
        came.set()

    broker = IbSession(
        session.connection(TRADING),
        session.product,
        limits=SessionLimits(connect_timeout_s=WAIT_S, request_timeout_s=WAIT_S, ack_timeout_s=WAIT_S),
        events=SessionEvents(on_bar=on_bar, on_fill=lambda _: None, on_disconnect=cut.set),
        monotonic_ns=lambda: round(clock.monotonic_s() * NS_PER_S),
    )
    broker.connect()
    broker.choose_contract(month=None, roll_days=ROLL_DAYS)
    broker.subscribe_bars()
    came.wait(WAIT_S)
    broker.place(bracket(bars[0]))
    deadline_s = clock.monotonic_s() + WAIT_S
    while broker.position_contracts() == 0 and clock.monotonic_s() < deadline_s:
        clock.sleep_s(LOOK_EVERY_S)
    latch = Latch.open(Path(session.state_dir))
    latch.note_fact(HEARTBEAT, str(clock.now_ns()))
    sys.stdout.write(HOLDING + "\n")
    sys.stdout.flush()
    while not cut.wait(BEAT_EVERY_S):
        latch.note_fact(HEARTBEAT, str(clock.now_ns()))
    threading.Event().wait()  # alive, but cut off
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
