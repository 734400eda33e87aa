"""Whether this machine and this broker session are fit to trade from. Pure: facts in, findings out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mia_actors.core.session import BrokerMode

FREE_BYTES_MIN = 200 << 20
FREE_BYTES_FEW = 2 << 30
MEMORY_BYTES_MIN = 4 << 30
SHARED_MEMORY_BYTES_MIN = 256 << 20
SYNC_MS_MAX = 100.0
SKEW_S_MAX = 2.0
"""Whole seconds are all the broker tells."""
VOLATILE = frozenset({"tmpfs", "ramfs"})
RAY_WANTED = {
    "RAY_worker_niceness": ("0", "workers run behind everything else, the guardian among them"),
    "RAY_memory_monitor_refresh_ms": ("0", "Ray ends processes of its choice when memory is short"),
    "RAY_worker_oom_score_adjustment": (
        "0",
        "the kernel ends workers, the guardian among them, before all others",
    ),
}
"""What `mia run` sets for a Ray of its own, and what happens where it is otherwise."""


class Grade(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    grade: Grade
    found: str
    remedy: str = ""

    def document(self) -> dict[str, str]:
        """As JSON has it."""
        return {"name": self.name, "level": self.grade.value, "found": self.found, "remedy": self.remedy}


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """None: could not be learned."""

    clock_synchronised: bool | None
    """By the kernel."""
    filesystem: str
    """Kind of the file system that holds the latch."""
    free_bytes: int
    """There."""
    sync_ms: float
    """One small write there until it is on the disk."""
    memory_bytes: int
    """Available."""
    shared_memory_bytes: int
    """Free in /dev/shm, where Ray keeps its objects."""
    niceness: int
    """Of this process; its children inherit it."""
    oom_score_adjustment: int
    """The same."""
    ray_settings: Mapping[str, str] | None
    """Of the Ray that will be used; None where it runs already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What one session with the broker has shown."""

    address: str
    problem: str = ""
    """Why there is none; then nothing else is known."""
    account: str = ""
    contract: str = ""
    """The one the market is in, or the one asked for."""
    month: str = ""
    """Its month, `YYYYMM`."""
    elsewhere: tuple[str, ...] = ()
    """Positions and working orders in other expiries of the product, a phrase each."""
    skew_s: float = 0.0
    """The broker's clock minus ours."""
    data_problem: str = ""
    """Why the broker gives no bars of the contract; empty: it gives some, or there are none just now."""
    has_bars: bool = True
    """Whether there were any in the last half hour."""


def machine_findings(facts: MachineFacts, mode: BrokerMode) -> list[Finding]:
    """What a guardian depends on; errors where live trading may not begin."""
    return [
        _clock(facts, mode),
        *_disk(facts, mode),
        _memory(facts),
        *_priority(facts),
        *_ray(facts),
    ]


def library_finding(installed: Sequence[str], mode: BrokerMode) -> Finding:
    """Of the client libraries that can be imported, the one taken first: two overwrite each other's eventkit."""
    if not installed:
        return Finding(name="client library", grade=Grade.ERROR, found="there is none", remedy="make install")
    taken = installed[0]
    if len(installed) == 1:
        return Finding(name="client library", grade=Grade.OK, found=taken)
    return Finding(
        name="client library",
        grade=Grade.WARNING if mode is BrokerMode.SIM else Grade.ERROR,
        found=f"{' and '.join(installed)} are both installed and bring the same module eventkit; {taken} is used",
        remedy=(
            "make ib-async, or: pip uninstall ib_async aeventkit"
            " && pip install --force-reinstall --no-deps eventkit"
        ),
    )


def broker_findings(facts: BrokerFacts, mode: BrokerMode, *, guardian_client_id: int) -> list[Finding]:
    """What the session needs to be able to do."""
    if facts.problem:
        return [
            Finding(
                name="broker", grade=Grade.ERROR, found=facts.problem, remedy=_broker_remedy(facts.problem)
            )
        ]
    late = abs(facts.skew_s) > SKEW_S_MAX
    return [
        Finding(name="broker", grade=Grade.OK, found=f"{facts.address} answers, its API is not read-only"),
        Finding(name="account", grade=Grade.OK, found=f"{facts.account} ({mode.value})"),
        Finding(
            name="broker clock",
            grade=Grade.ERROR if late else Grade.OK,
            found=f"differs by {facts.skew_s:+.0f} s",
            remedy="synchronise this machine's clock (chrony or systemd-timesyncd)" if late else "",
        ),
        _data(facts),
        _expiries(facts),
        Finding(
            name="orders of all clients",
            grade=Grade.WARNING,
            found="no API tells whether the guardian's client is the master client",
            remedy=f"TWS: API settings, Master API client ID: {guardian_client_id}",
        ),
    ]


def _expiries(facts: BrokerFacts) -> Finding:
    """What is held in another expiry is nobody's business in this session, so there must be none."""
    if not facts.elsewhere:
        return Finding(name="contract", grade=Grade.OK, found=facts.contract)
    return Finding(
        name="contract",
        grade=Grade.ERROR,
        found=f"{facts.contract} would be traded, and there is: {', '.join(facts.elsewhere)}",
        remedy="close that in TWS, or trade that month to its end with --contract YYYYMM",
    )


def is_fit(findings: list[Finding]) -> bool:
    """Whether none of them is an error."""
    return all(one.grade is not Grade.ERROR for one in findings)


def _clock(facts: MachineFacts, mode: BrokerMode) -> Finding:
    if facts.clock_synchronised:
        return Finding(name="clock", grade=Grade.OK, found="the kernel says it is synchronised")
    return Finding(
        name="clock",
        grade=Grade.ERROR if facts.clock_synchronised is False and mode is BrokerMode.LIVE else Grade.WARNING,
        found="not known" if facts.clock_synchronised is None else "the kernel says it is not synchronised",
        remedy="run chrony or systemd-timesyncd",
    )


def _data(facts: BrokerFacts) -> Finding:
    if facts.data_problem:
        remedy = "subscribe to CME real-time data for API use in the Client Portal"
        return Finding(name="market data", grade=Grade.ERROR, found=facts.data_problem, remedy=remedy)
    if not facts.has_bars:
        found = f"no bars of {facts.contract} in the last half hour"
        return Finding(name="market data", grade=Grade.WARNING, found=found, remedy="is the market closed?")
    return Finding(name="market data", grade=Grade.OK, found=f"bars of {facts.contract}")


def _disk(facts: MachineFacts, mode: BrokerMode) -> Iterator[Finding]:
    free = f"{facts.free_bytes / (1 << 30):.1f} GiB free"
    if facts.free_bytes < FREE_BYTES_MIN:
        yield Finding(
            name="disk", grade=Grade.ERROR, found=free, remedy="make room: the latch needs it to halt"
        )
    elif facts.free_bytes < FREE_BYTES_FEW:
        yield Finding(
            name="disk", grade=Grade.WARNING, found=free, remedy="make room: a session writes its journals"
        )
    else:
        yield Finding(name="disk", grade=Grade.OK, found=free)
    if facts.filesystem in VOLATILE:
        yield Finding(
            name="latch",
            grade=Grade.WARNING if mode is BrokerMode.SIM else Grade.ERROR,
            found=f"the state directory is on {facts.filesystem}: a halt would not survive a power cut",
            remedy="put it on a disk: --state, or session.state",
        )
    elif facts.sync_ms > SYNC_MS_MAX:
        yield Finding(
            name="latch",
            grade=Grade.WARNING,
            found=f"{facts.sync_ms:.0f} ms until a small write is on {facts.filesystem}: every halt waits so long",
            remedy="a faster disk, or less that writes to it",
        )
    else:
        yield Finding(
            name="latch", grade=Grade.OK, found=f"{facts.sync_ms:.1f} ms to be on disk ({facts.filesystem})"
        )


def _memory(facts: MachineFacts) -> Finding:
    available = f"{facts.memory_bytes / (1 << 30):.1f} GiB, {facts.shared_memory_bytes / (1 << 30):.1f} GiB in /dev/shm"
    if facts.memory_bytes < MEMORY_BYTES_MIN or facts.shared_memory_bytes < SHARED_MEMORY_BYTES_MIN:
        return Finding(
            name="memory",
            grade=Grade.WARNING,
            found=available,
            remedy="end other programs; docker: --shm-size=1g",
        )
    return Finding(name="memory", grade=Grade.OK, found=available)


def _priority(facts: MachineFacts) -> Iterator[Finding]:
    behind = facts.niceness > 0
    yield Finding(
        name="priority",
        grade=Grade.ERROR if behind else Grade.OK,
        found=f"niceness {facts.niceness}",
        remedy="start it without nice: the guardian would wait for whatever else runs" if behind else "",
    )
    first = facts.oom_score_adjustment > 0
    yield Finding(
        name="out of memory",
        grade=Grade.ERROR if first else Grade.OK,
        found=f"oom_score_adj {facts.oom_score_adjustment}",
        remedy="start it with oom_score_adj 0 or below: the kernel would end it before all others"
        if first
        else "",
    )


def _ray(facts: MachineFacts) -> Iterator[Finding]:
    if facts.ray_settings is None:
        wanted = " ".join(f"{name}={value}" for name, (value, _) in RAY_WANTED.items())
        yield Finding(
            name="ray",
            grade=Grade.WARNING,
            found="a Ray that runs already does not tell how it treats its workers",
            remedy=f"start every node with: {wanted} ray start ...",
        )
        return
    for name, (value, why) in RAY_WANTED.items():
        found = facts.ray_settings.get(name)
        if found != value:
            yield Finding(
                name="ray", grade=Grade.ERROR, found=f"{name} is {found}: {why}", remedy=f"{name}={value}"
            )


def _broker_remedy(problem: str) -> str:
    lowered = problem.lower()
    if "read-only" in lowered:
        return "TWS: API settings, untick Read-Only API"
    if "326" in problem:
        return "another program uses this client id: end it, or change connections in supervision.yaml"
    if "session.account" in problem or "account" in lowered:
        return "see session.account and --broker"
    return "start TWS or IB Gateway, log in, API settings: enable socket clients; check host and port"
