"""Messages to JSON and back, for journals: pydantic reads the dataclasses' own annotations."""

from functools import cache
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter

Message = TypeVar("Message")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def prepare(*kinds: Any) -> None:
    """Builds what reading and writing these messages needs, so that the first one on a hot path does not pay."""
    for kind in kinds:
        _adapter(kind)


def to_json(message: object) -> str:
    """Compact JSON of a message dataclass."""
    return _adapter(cast("Any", type(message))).dump_json(message).decode()


def from_json(kind: type[Message], text: str | bytes) -> Message:
    """The message of type `kind` that `to_json` wrote.

    Raises:
        pydantic.ValidationError: the text is not such a message.
    """
    return cast("Message", _adapter(cast("Any", kind)).validate_json(text))
