"""Values of a specification that are each allowed and together are not."""

from collections.abc import Sequence

from pydantic_core import PydanticCustomError

CONTRADICTION = "contradiction"


def contradiction(said: str, *, place: Sequence[str | int], allowed: str) -> PydanticCustomError:
    """The error for a validator to raise; `place` leads from the model it checks to the value to point at."""
    return PydanticCustomError(
        CONTRADICTION, "{said}", {"said": said, "place": list(place), "allowed": allowed}
    )
