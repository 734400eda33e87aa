"""TWS API frames: a 4-byte big-endian length, then fields of text, each ended by NUL. Pure."""

from collections.abc import Iterable, Iterator
from decimal import Decimal

PREFIX_BYTES = 4
FRAME_BYTES_MAX = 1 << 20
HELLO = b"API\0"
UNSET_DOUBLE = "1.7976931348623157E308"

Field = str | int | float | Decimal | bool


class MalformedFrame(Exception):
    """Bytes that are no TWS frame; the connection cannot be trusted any more."""


def frame(fields: Iterable[Field]) -> bytes:
    """One frame."""
    payload = "".join(f"{text(field)}\0" for field in fields).encode()
    return len(payload).to_bytes(PREFIX_BYTES, "big") + payload


def text(field: Field) -> str:
    """A value as the wire writes it: booleans as 1 and 0."""
    if isinstance(field, bool):
        return "1" if field else "0"
    return str(field)


class FrameReader:
    """Cuts a byte stream into payloads; the `API` greeting and its version string come first."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._greeted = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Payloads completed by `data`, in order.

        Raises:
            MalformedFrame: no greeting, or a length that cannot be.
        """
        self._buffer += data
        if not self._greeted:
            if len(self._buffer) < len(HELLO):
                return
            if not self._buffer.startswith(HELLO):
                raise MalformedFrame("the connection does not begin with API")
            del self._buffer[: len(HELLO)]
            self._greeted = True
        while len(self._buffer) >= PREFIX_BYTES:
            length = int.from_bytes(self._buffer[:PREFIX_BYTES], "big")
            if not 0 < length <= FRAME_BYTES_MAX:
                raise MalformedFrame(f"a frame of {length} bytes")
            if len(self._buffer) < PREFIX_BYTES + length:
                return
            payload = bytes(self._buffer[PREFIX_BYTES : PREFIX_BYTES + length])
            del self._buffer[: PREFIX_BYTES + length]
            yield payload


def split(payload: bytes) -> list[str]:
    """The fields of a payload.

    Raises:
        MalformedFrame: not text, or the last field is not ended.
    """
    try:
        whole = payload.decode()
    except UnicodeDecodeError as error:
        raise MalformedFrame("not text") from error
    if not whole.endswith("\0"):
        raise MalformedFrame("the last field is not ended")
    return whole[:-1].split("\0")
