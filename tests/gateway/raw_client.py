"""A bare socket that speaks the TWS protocol by hand."""

import socket
import struct
from typing import Self

from tests.gateway.tws_market import HOST, WAIT_S


class RawClient:
    """A socket that speaks the protocol by hand, for what the stock client never sends or never shows."""

    def __init__(self, port: int, *, versions: str = "v157..178", client_id: int | None = 31) -> None:
        self.open(port)
        greeting = versions.encode()
        self.send_bytes(b"API\0" + len(greeting).to_bytes(4, "big") + greeting)
        self.greeting = self.read()
        if client_id is not None:
            self.send(71, 2, client_id, "")
            self.read_to("9")
            self.read_errors_to_time()  # the notices of a new session

    def open(self, port: int) -> None:
        """Connects and says nothing."""
        self._socket = socket.create_connection((HOST, port), WAIT_S)
        self._buffer = b""

    @property
    def version(self) -> int:
        return int(self.greeting[0])

    def send(self, *fields: object) -> None:
        payload = "".join(f"{field}\0" for field in fields).encode()
        self.send_bytes(len(payload).to_bytes(4, "big") + payload)

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self) -> list[str]:
        """The next frame; empty once the gateway has closed the connection."""
        head = self._take(4)
        payload = self._take(int.from_bytes(head, "big")) if head else b""
        return payload.decode().split("\0")[:-1]

    def read_to(self, *message_ids: str) -> list[str]:
        """Reads on to the first frame of one of these kinds."""
        while (fields := self.read()) and fields[0] not in message_ids:
            pass
        assert fields, f"the connection ended before a message {message_ids}"
        return fields

    def read_errors_to_time(self) -> list[str]:
        """Codes of all errors up to the answer of a request for the time made now."""
        self.send(49, 1)
        codes = []
        while (fields := self.read_to("4", "49"))[0] == "4":
            codes.append(fields[3])
        return codes

    def is_closed_by_gateway(self) -> bool:
        """Reads to the end of the connection."""
        while self.read():
            pass
        return True

    def reset(self) -> None:
        """Drops the connection hard, as the kernel does for a machine that is gone."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            try:
                piece = self._socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return b""
            self._buffer += piece
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken
