"""Carries out faults. What one does to the market or is remembered of it goes through the market's record."""

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mia_actors.core.errors import InvariantViolated
from mia_actors.exchange.gateway.faults import Action, Fault, FaultSchedule
from mia_actors.exchange.gateway.framing import Field, frame
from mia_actors.exchange.gateway.market import NumbersForgotten, Struck
from mia_actors.telemetry.logs import get_logger

if TYPE_CHECKING:
    from mia_actors.exchange.gateway.client import ApiClient
    from mia_actors.exchange.gateway.server import Gateway

EXIT_RESTART = 75
"""The process ends with it where a script says `restart`."""
NOT_TIED = -1
CONNECTIVITY_LOST, RESTORED_DATA_LOST, RESTORED_DATA_KEPT = 1100, 1101, 1102
FARM_BROKEN, FARM_OK = 2103, 2104
ORDER_MESSAGES = frozenset({3, 4, 58})
NUMBER_AT = {1: 2, 3: 1, 4: 2, 7: 2, 9: 2, 20: 1, 50: 2}
"""Where a message carries the number of its order or request."""
CLOSED = "the market is closed for its daily break"


class FaultHands:
    """One gateway's faults, at work."""

    def __init__(self, gateway: "Gateway", schedule: FaultSchedule) -> None:
        self._gateway = gateway
        self._schedule = schedule
        self._log = get_logger(actor="gateway")
        self._waiting = 0
        self.is_down = False
        """Nobody may connect."""
        self.is_cut_off = False
        """Without connectivity: clients are told nothing of the market, and orders are not carried out."""
        self.watches_sending = schedule.watches_sending

    @property
    def holds_market(self) -> bool:
        """Whether a lockstep market must wait for a fault to pass."""
        return self._waiting > 0

    def arm(self, fault: Fault) -> None:
        """One more fault, beside those of the script.

        Raises:
            ConfigError: its time is none.
        """
        self._schedule.add(fault)
        self.watches_sending = self._schedule.watches_sending
        self.strike_due()

    def begin(self) -> None:
        """A break of the market that outlived the gateway before this one ends."""
        if self._gateway.exchange.closed == CLOSED:
            self._gateway.close_market("")

    def strike_due(self) -> None:
        """Carries out what the market's time calls for."""
        for place, fault in self._schedule.due(self._gateway.now_ns):
            self._note(place, fault)
            self._strike(fault)

    def received(self, client: "ApiClient", message: int, fields: Sequence[str]) -> bool:
        """A client's message arrived; false when it is not to be carried out."""
        if self.is_cut_off and message in ORDER_MESSAGES:
            return False
        found = self._schedule.received(client.client_id, message)
        if found is None:
            return True
        place, fault = found
        self._note(place, fault)
        match fault.do:
            case Action.IGNORE:
                return False
            case Action.REJECT | Action.NOTICE:
                number = int(fields[NUMBER_AT[message]]) if message in NUMBER_AT else NOT_TIED
                tell = client.dialect.error(number, fault.code or 0, fault.text)
                if fault.do is Action.REJECT:
                    client.send(tell)
                    return False
                client.after_this(tell)
                return True
            case _:
                self._disturb(client, fault)
                return fault.do is Action.DELAY

    def sending(self, client: "ApiClient", fields: Sequence[Field]) -> list[bytes]:
        """What really leaves for a client instead of one frame."""
        whole = frame(fields)
        found = self._schedule.sending(client.client_id, int(fields[0]))
        if found is None:
            return [whole]
        place, fault = found
        self._note(place, fault)
        match fault.do:
            case Action.OMIT:
                return []
            case Action.DUPLICATE:
                return [whole, whole]
            case Action.TRUNCATE:
                client.send_last(whole[: len(whole) // 2])
                return []
            case _:
                self._disturb(client, fault)
                return [whole] if fault.do is Action.DELAY else []

    # --- doing it ---

    def _note(self, place: int, fault: Fault) -> None:
        self._gateway.apply(Struck(at_ns=self._gateway.now_ns, place=place))
        self._log.warning("fault.struck", place=place, do=fault.do.value, client=fault.client)

    def _strike(self, fault: Fault) -> None:
        gateway, seconds = self._gateway, fault.seconds or 0.0
        match fault.do:
            case Action.RESTART:
                os._exit(EXIT_RESTART)
            case Action.DAILY_RESTART:
                self._daily_restart(seconds)
            case Action.ROLL_BACK_ORDER_IDS:
                gateway.apply(NumbersForgotten(at_ns=gateway.now_ns))
            case Action.CLOSE_MARKET:
                gateway.close_market(CLOSED)
                self._later(seconds, lambda: gateway.close_market(""))
            case Action.CONNECTIVITY_LOST:
                self._lose_connectivity(seconds, data_lost=fault.data == "lost")
            case Action.FARM_BROKEN:
                self._tell_all(FARM_BROKEN, "Market data farm connection is broken:simulated")
                self._later(seconds, self._farm_back)
            case Action.NOTICE:
                for client in self._meant(fault):
                    client.send(client.dialect.error(NOT_TIED, fault.code or 0, fault.text))
                    client.flush()
            case _:
                for client in self._meant(fault):
                    self._disturb(client, fault)

    def _disturb(self, client: "ApiClient", fault: Fault) -> None:
        """What can happen to one connection at any time."""
        seconds = fault.seconds or 0.0
        match fault.do:
            case Action.RESET:
                self._gateway.cut(client)
            case Action.HALF_CLOSE:
                client.end_sending()
            case Action.BLACK_HOLE:
                client.is_black_hole = True
                self._later(seconds, lambda: self._gateway.cut(client), holds_market=False)
            case Action.DELAY:
                client.is_held = True
                self._later(seconds, client.release, holds_market=False)
            case Action.MUTE:
                client.forget_streams()
            case _:
                raise InvariantViolated(f"{fault.do} is nothing that happens to a connection")

    def _meant(self, fault: Fault) -> list["ApiClient"]:
        clients = self._gateway.clients
        return [client for client in clients if fault.client in {None, client.client_id}]

    def _daily_restart(self, seconds: float) -> None:
        self.is_down = True
        for client in self._gateway.clients:
            self._gateway.cut(client)
        self._gateway.apply(NumbersForgotten(at_ns=self._gateway.now_ns))

        def up() -> None:
            self.is_down = False

        self._later(seconds, up)

    def _lose_connectivity(self, seconds: float, *, data_lost: bool) -> None:
        self._tell_all(CONNECTIVITY_LOST, "Connectivity between IB and the simulation has been lost.")
        self.is_cut_off = True

        def restored() -> None:
            self.is_cut_off = False
            if data_lost:
                self._mute_all()
            code = RESTORED_DATA_LOST if data_lost else RESTORED_DATA_KEPT
            self._tell_all(code, "Connectivity between IB and the simulation has been restored.")

        self._later(seconds, restored)

    def _farm_back(self) -> None:
        self._mute_all()
        self._tell_all(FARM_OK, "Market data farm connection is OK:simulated")

    def _mute_all(self) -> None:
        for client in self._gateway.clients:
            client.forget_streams()

    def _tell_all(self, code: int, text: str) -> None:
        for client in self._gateway.clients:
            client.send(client.dialect.error(NOT_TIED, code, text))
            client.flush()

    def _later(self, seconds: float, action: Callable[[], object], *, holds_market: bool = True) -> None:
        """After a while, during which a lockstep market may have to wait."""
        self._waiting += holds_market

        def do() -> None:
            self._waiting -= holds_market
            action()
            self._gateway.go_on()

        asyncio.get_running_loop().call_later(seconds, do)
