"""Ten thousand frames that are none: each is answered or counted, and nothing grows."""

import random
import string
from collections.abc import Iterator
from contextlib import suppress

import psutil

from tests.gateway.raw_client import RawClient
from tests.gateway.tws_market import Market

FRAMES = 10_000
BATCH = 100
BROKEN_OFF = 200
GROWTH_BYTES_MAX = 8 << 20


def junk(rng: random.Random) -> str:
    """Never a number, never empty."""
    return "".join(rng.choices(string.ascii_letters + string.punctuation, k=rng.randint(1, 40)))


def wrong_messages(rng: random.Random) -> Iterator[tuple[object, ...]]:
    """Messages nobody knows, ones with too few fields, and ones with words where numbers belong."""
    while True:
        yield (rng.randint(200, 10**6), *(junk(rng) for _ in range(rng.randint(0, 5))))
        yield (junk(rng),)
        yield (20, *(rng.randint(0, 9) for _ in range(rng.randint(0, 1))))
        yield (4, 1, junk(rng), "")
        yield (3, rng.randint(1, 99), junk(rng), junk(rng))
        yield (96, junk(rng))


def test_ten_thousand_malformed_messages_are_each_answered_with_an_error(market: Market) -> None:
    rng = random.Random(7)  # noqa: S311 - no secret
    messages = wrong_messages(rng)
    gateway = psutil.Process(int(market.control.status()["pid"]))
    warm_bytes = 0
    with RawClient(market.gateway.tws_port) as raw:
        for sent in range(0, FRAMES, BATCH):
            for _ in range(BATCH):
                raw.send(*next(messages))
            codes = raw.read_errors_to_time()
            assert codes.count("321") == BATCH
            if sent == FRAMES // 5:
                warm_bytes = gateway.memory_info().rss
    assert gateway.memory_info().rss - warm_bytes < GROWTH_BYTES_MAX
    with RawClient(market.gateway.tws_port, client_id=32) as other:
        assert other.read_errors_to_time() == []


def test_frames_cut_anywhere_and_bytes_that_are_none_end_their_own_connection_only(market: Market) -> None:
    rng = random.Random(8)  # noqa: S311 - no secret
    whole = b"API\0\0\0\0\tv157..178" + b"\0\0\0\x0871\x002\x0031\x00\x00" + b"\0\0\0\x0549\x001\x00" * 3
    with RawClient(market.gateway.tws_port, client_id=32) as other:
        for number in range(BROKEN_OFF):
            stranger = RawClient.__new__(RawClient)
            stranger.open(market.gateway.tws_port)
            with suppress(OSError):  # closed while it was still talking
                if number % 2:
                    stranger.send_bytes(whole[: rng.randrange(len(whole))])
                else:
                    stranger.send_bytes(rng.randbytes(rng.randint(1, 400)))
            stranger.reset()
        assert other.read_errors_to_time() == []
