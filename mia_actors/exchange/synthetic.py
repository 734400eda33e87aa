"""Synthetic ES: one-minute bars whose statistics are those of the fitted profile. Simulation, and named so.

Every trade date draws from its own generator, seeded by the seed and the date: a session's bars do not depend
on how much history is asked for. Only raw uniforms are drawn; every transformation is done here with `math`,
so that the bars do not depend on numpy's version.

Model of a minute: log return = scale of the minute x Student t; the scale is the time-of-day shape times
exp(log volatility), which is an autoregression over trade dates plus one over the minutes of the day. High
and low are the extremes of a Brownian bridge between open and close. Volume follows range and time of day.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from mia_actors.core.clock import NS_PER_S, iso_utc
from mia_actors.core.errors import ConfigError
from mia_actors.core.market import Bar, Timeframe
from mia_actors.core.trade_date import session_bounds_ns, trade_date
from mia_actors.core.units import ES, Contract
from mia_actors.exchange.contract_names import contract_of_month, expiry_date
from mia_actors.exchange.profile import BIN_MINUTES, SESSION_MINUTES, Profile, es_profile

DEFAULT_SEED = 48
"""One of the few in a hundred whose session has an entry, so that the first session shows one."""
DEFAULT_DATE = date(2026, 3, 10)
DEFAULT_HISTORY_DAYS = 10
SESSIONS_MAX = 300
"""Bounds the work of one selection: more than a year of sessions is for real tapes."""
FIRST_OPEN_TICKS = 10_000
"""2500.00: where the first session asked for opens; amid the levels at which the fitted moves were made."""
DAY_MEMORY = 40
"""Trade dates after which a shock to the volatility of days is forgotten."""
ROLL_DAYS = 10
"""The front contract is the first quarterly one with more days than this to its expiry."""
QUARTERS = (3, 6, 9, 12)
SATURDAY = 5
MONDAY = 0
DRAWS_PER_MINUTE = 9
DRAWS_PER_DAY = 8
LOG_VOLATILITY_MAX = 2.5
"""Bounds a scale drawn far out in the tail: twelve times the usual volatility, as in March 2020."""
MINUTE_MOVE_MAX = 0.02
VOLUME_MAX = 500_000

_SOURCE = re.compile(r"synthetic(?::(?P<seed>\d{1,18}))?")


def is_synthetic(source: str) -> bool:
    """Whether a tape's source names the generator rather than a file."""
    return source == "synthetic" or source.startswith("synthetic:")


def synthetic_bars(
    source: str,
    *,
    day: date | None,
    from_ns: int | None,
    to_ns: int | None,
    contract_name: str | None,
    history_days: int | None,
) -> tuple[Contract, tuple[Bar, ...], tuple[Bar, ...]]:
    """Contract, warm-up bars and session bars of a selection.

    Raises:
        ConfigError: a bad seed, a weekend, a contract that is not the front one then, or nothing selected.
    """
    seed = _seed(source)
    days = _days(day, from_ns, to_ns)
    contract = front_contract(days[0])
    if contract_name not in {None, contract.month, contract.instrument, contract.expiry}:
        raise ConfigError(
            f"tape {source}: contract {contract_name!r} is not the front contract of {days[0]}; "
            f"allowed: {contract.month}, or none"
        )
    before = DEFAULT_HISTORY_DAYS if history_days is None else history_days
    if before + len(days) > SESSIONS_MAX:
        raise ConfigError(
            f"tape {source}: {before + len(days)} sessions with history; allowed: at most {SESSIONS_MAX}"
        )
    past = _weekdays_before(days[0], before)
    bars = Generator(es_profile(), seed).bars(contract, past, days)
    first_ns = session_bounds_ns(days[0])[0] if from_ns is None else from_ns
    chosen = tuple(
        bar for bar in bars if bar.start_ns >= first_ns and (to_ns is None or bar.start_ns < to_ns)
    )
    if not chosen:
        raise ConfigError(
            f"tape {source}: no bars in the part chosen; the session of {days[0]} trades from "
            f"{iso_utc(session_bounds_ns(days[0])[0])} to {iso_utc(_session_end_ns(days[-1]))}"
        )
    history = tuple(bar for bar in bars if bar.start_ns < chosen[0].start_ns) if before else ()
    return contract, history, chosen


def front_contract(day: date) -> Contract:
    """The quarterly contract that trades most on a day."""
    for year in (day.year, day.year + 1):
        for month in QUARTERS:
            if (expiry_date(year, month) - day).days > ROLL_DAYS:
                return contract_of_month(ES.symbol, year, month)
    raise ConfigError(f"no quarterly contract after {day}")


@dataclass(frozen=True, slots=True)
class _Minute:
    """One minute in logs, relative to the open of its session."""

    close: float
    scale: float
    step_ticks: int
    above: float
    below: float
    volume_noise: float


@dataclass(frozen=True, slots=True)
class _Session:
    minutes: tuple[_Minute, ...]
    gap: float
    """Log distance from the close before to this open."""
    volume: float
    scale: float
    """Volatility of the day, 1 on the median day."""

    @property
    def move(self) -> float:
        """Log return from open to close."""
        return self.minutes[-1].close


class Generator:
    """Sessions of one seed."""

    def __init__(self, profile: Profile, seed: int) -> None:
        self._profile = profile
        self._seed = seed
        bins = [minute // BIN_MINUTES for minute in range(SESSION_MINUTES)]
        self._scales = [profile.volatility_shape[place] * profile.minute_return_sd for place in bins]
        self._volumes = [profile.volume_shape[place] / BIN_MINUTES for place in bins]

    def bars(self, contract: Contract, past: tuple[date, ...], days: tuple[date, ...]) -> tuple[Bar, ...]:
        """Bars of consecutive sessions; `past` leads up to the fixed level the first of `days` opens at."""
        sessions = [self._session(day) for day in (*past, *days)]
        lead = sum(session.gap + session.move for session in sessions[: len(past)])
        level = FIRST_OPEN_TICKS * math.exp(-lead - sessions[len(past)].gap)
        found: list[Bar] = []
        for day, session in zip((*past, *days), sessions, strict=True):
            level *= math.exp(session.gap)
            found.extend(self._session_bars(contract, day, session, level))
            level *= math.exp(session.move)
        return tuple(found)

    def _session(self, day: date) -> _Session:
        profile = self._profile
        draws = self._uniforms(day, DRAWS_PER_DAY + DRAWS_PER_MINUTE * SESSION_MINUTES)
        today = [next(draws) for _ in range(DRAWS_PER_DAY)]
        day_log = self._day_log(day)
        minute_log = profile.minute_log_sd * normal(today[2], today[3])
        gap_sd = profile.gap_sd_days_weekend if day.weekday() == MONDAY else profile.gap_sd_days
        session_sd = profile.minute_return_sd * math.sqrt(SESSION_MINUTES)
        gap = gap_sd * session_sd * math.exp(day_log) * normal(today[4], today[5])
        volume = profile.session_volume * math.exp(
            profile.session_volume_on_volatility * day_log
            + profile.session_volume_log_sd * normal(today[6], today[7])
        )
        tail = profile.tail_degrees
        to_unit = math.sqrt((tail - 2) / tail)
        log_shock = profile.minute_log_sd * math.sqrt(1 - profile.minute_log_ar**2)
        noise_shock = profile.minute_volume_log_sd * math.sqrt(1 - profile.minute_volume_log_ar**2)
        noise = place = 0.0
        minutes: list[_Minute] = []
        for usual in self._scales:
            u = [next(draws) for _ in range(DRAWS_PER_MINUTE)]
            volatility = min(day_log + minute_log - profile.minute_log_sd**2, LOG_VOLATILITY_MAX)
            scale = usual * math.exp(volatility)
            move = scale * to_unit * student(u[0], u[1], tail)
            place += max(-MINUTE_MOVE_MAX, min(MINUTE_MOVE_MAX, move))
            steps = u[2] < profile.open_step_probability
            step = (1 if 2 * u[2] < profile.open_step_probability else -1) if steps else 0
            noise = profile.minute_volume_log_ar * noise + noise_shock * normal(u[3], u[4])
            minutes.append(_Minute(place, scale, step, u[5], u[6], noise))
            minute_log = profile.minute_log_ar * minute_log + log_shock * normal(u[7], u[8])
        return _Session(tuple(minutes), gap, volume, math.exp(day_log))

    def _session_bars(self, contract: Contract, day: date, session: _Session, level: float) -> Iterator[Bar]:
        profile = self._profile
        start_ns = session_bounds_ns(day)[0]
        last_ticks = round(level)
        range_usual = profile.moments.range_over_move * math.sqrt(2 / math.pi)
        for number, minute in enumerate(session.minutes):
            open_ticks = last_ticks + (minute.step_ticks if number else 0)
            close_ticks = round(level * math.exp(minute.close))
            span = minute.scale * level
            high_ticks = _reach(open_ticks, close_ticks, span, minute.above)
            low_ticks = -_reach(-open_ticks, -close_ticks, span, minute.below)
            usual_ticks = self._scales[number] * session.scale * level * range_usual + 1
            relative = (high_ticks - low_ticks + 1) / usual_ticks
            volume = (
                session.volume
                * self._volumes[number]
                * math.exp(
                    profile.minute_volume_on_range * math.log(relative)
                    + profile.minute_volume_offset
                    + minute.volume_noise
                )
            )
            yield Bar(
                instrument=contract.instrument,
                timeframe=Timeframe.M1,
                start_ns=start_ns + number * 60 * NS_PER_S,
                open_ticks=open_ticks,
                high_ticks=high_ticks,
                low_ticks=low_ticks,
                close_ticks=close_ticks,
                volume=max(1, min(VOLUME_MAX, round(volume))),
            )
            last_ticks = close_ticks

    def _day_log(self, day: date) -> float:
        """Log volatility of a day: an autoregression written as the weighted sum of the days' own shocks."""
        profile = self._profile
        shock = profile.day_log_sd * math.sqrt(1 - profile.day_log_ar**2)
        found = 0.0
        for age, past in enumerate((day, *reversed(_weekdays_before(day, DAY_MEMORY)))):
            draws = self._uniforms(past, 2)
            found += profile.day_log_ar**age * shock * normal(next(draws), next(draws))
        return found

    def _uniforms(self, day: date, count: int) -> Iterator[float]:
        seeds = np.random.SeedSequence([self._seed, day.toordinal()])
        source = np.random.Generator(np.random.PCG64(seeds))
        return iter(source.random(count).tolist())


def normal(first: float, second: float) -> float:
    """A standard normal number from two uniforms in [0, 1) (Box and Muller)."""
    return math.sqrt(-2 * math.log(1 - first)) * math.cos(2 * math.pi * second)


def student(first: float, second: float, degrees: float) -> float:
    """A Student t number from two uniforms in [0, 1) (Bailey, Mathematics of Computation 62, 1994)."""
    power: float = (1 - first) ** (-2 / degrees)
    return math.sqrt(degrees * (power - 1)) * math.cos(2 * math.pi * second)


def _reach(start_ticks: int, end_ticks: int, span_ticks: float, uniform: float) -> int:
    """Maximum of a Brownian bridge from start to end whose variance is `span_ticks` squared."""
    width = (end_ticks - start_ticks) ** 2 - 2 * span_ticks**2 * math.log(1 - uniform)
    return max(start_ticks, end_ticks, round((start_ticks + end_ticks + math.sqrt(width)) / 2))


def _seed(source: str) -> int:
    found = _SOURCE.fullmatch(source)
    if found is None:
        raise ConfigError(f"tape {source!r}: the seed is a whole number, as in synthetic:{DEFAULT_SEED}")
    return int(found["seed"] or DEFAULT_SEED)


def _days(day: date | None, from_ns: int | None, to_ns: int | None) -> tuple[date, ...]:
    if day is not None:
        if day.weekday() >= SATURDAY:
            raise ConfigError(f"--date {day}: no session ends on a weekend; choose a weekday")
        return (day,)
    if from_ns is None and to_ns is None:
        return (DEFAULT_DATE,)
    last = trade_date(to_ns - 1) if to_ns is not None else None
    first = trade_date(from_ns) if from_ns is not None else last
    first, last = first or DEFAULT_DATE, last or first or DEFAULT_DATE
    span = max(0, (last - first).days)
    found = (first + timedelta(days=number) for number in range(min(span, 2 * SESSIONS_MAX) + 1))
    return tuple(one for one in found if one.weekday() < SATURDAY)


def _weekdays_before(day: date, count: int) -> tuple[date, ...]:
    found: list[date] = []
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < SATURDAY:
            found.append(day)
    return tuple(reversed(found))


def _session_end_ns(day: date) -> int:
    return session_bounds_ns(day)[0] + SESSION_MINUTES * 60 * NS_PER_S
