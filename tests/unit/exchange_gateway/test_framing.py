"""Frames survive any cut of the stream; bytes that are no frame are told as such."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_actors.exchange.gateway.framing import (
    FRAME_BYTES_MAX,
    HELLO,
    Field,
    FrameReader,
    MalformedFrame,
    frame,
    split,
)

words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@given(st.lists(st.lists(words, min_size=1, max_size=6), max_size=5), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    messages: list[list[str]], data: st.DataObject
) -> None:
    stream = HELLO + b"".join(frame(message) for message in messages)
    reader, found, at = FrameReader(), [], 0
    while at < len(stream):
        size = data.draw(st.integers(1, len(stream) - at))
        found += [split(payload) for payload in reader.feed(stream[at : at + size])]
        at += size
    assert found == messages


@pytest.mark.parametrize(
    ("field", "text"), [(True, b"1"), (False, b"0"), (7, b"7"), (Decimal("0.25"), b"0.25"), ("", b"")]
)
def test_fields_are_text_each_ended_by_nul(field: Field, text: bytes) -> None:
    assert frame([field]) == (len(text) + 1).to_bytes(4, "big") + text + b"\0"


@pytest.mark.parametrize(
    "stream", [b"HTTP/1.1", HELLO + bytes(4), HELLO + (FRAME_BYTES_MAX + 1).to_bytes(4, "big")]
)
def test_stream_that_is_none_is_refused(stream: bytes) -> None:
    with pytest.raises(MalformedFrame):
        list(FrameReader().feed(stream))


@pytest.mark.parametrize("payload", [b"", b"49", b"\xff\xfe\0"])
def test_payload_without_ended_text_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedFrame):
        split(payload)
