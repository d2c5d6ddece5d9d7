"""The connections between processes: who comes, who is refused, and what they exchange."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("jax", reason="JAX is not installed: pip install 'limpide[xla]'")

import limpide as lp
from limpide.engines.xla.watch import Hub, Member, Place, Watch

ABOUT = {"processes": 3, "limpide": "1"}


def meet(
    members: list[tuple[int, dict[str, Any]]], size: int = 3, timeout: float = 30.0
) -> list[Watch | lp.ArgumentError]:
    """Let process 0 and others of these numbers come together, each in a thread."""
    bound = socket.create_server(("127.0.0.1", 0))
    place = Place("127.0.0.1", bound.getsockname()[1])
    watches: list[Watch] = [Hub(size, place, bound)]
    watches += [Member(number, size, place) for number, _ in members]
    told = [ABOUT, *(about for _, about in members)]
    found: list[Any] = list(watches)

    def join(i: int) -> None:
        try:
            watches[i].joined(timeout, told[i])
        except lp.ArgumentError as error:
            found[i] = error

    each([lambda i=i: join(i) for i in range(len(watches))])  # type: ignore[misc]
    return found


def each(works: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_all_hear_what_each_says() -> None:
    watches: Any = meet([(1, ABOUT), (2, ABOUT)])
    heard: dict[int, list[Any]] = {}

    def talk(watch: Watch) -> None:
        one = watch.each("number", watch.number)
        large = watch.gathered("large", bytes([watch.number]) * 3_000_000)
        asked = watch.any("asked", watch.number == 2)
        first = watch.first("made", lambda: b"made by the first")
        heard[watch.number] = [one, list(map(len, large)), asked, watch.agreed("x", watch.number)]
        heard[watch.number].append(first)
        watch.done()

    each([lambda w=w: talk(w) for w in watches])  # type: ignore[misc]
    for watch in watches:
        watch.close()
    expected = [[0, 1, 2], [3_000_000] * 3, True, 0, b"made by the first"]
    assert heard == {0: expected, 1: expected, 2: expected}


def test_what_the_first_is_refused_is_refused_everywhere() -> None:
    watches: Any = meet([(1, ABOUT), (2, ABOUT)])
    raised: list[Any] = []

    def refuse() -> bytes:
        raise lp.CheckpointError("of another run")

    def ask(watch: Watch) -> None:
        with pytest.raises(lp.CheckpointError, match="of another run") as caught:
            watch.first("checkpoint", refuse)
        raised.append(caught.value)
        watch.done()

    each([lambda w=w: ask(w) for w in watches])  # type: ignore[misc]
    for watch in watches:
        watch.close()
    assert len(raised) == 3


def test_one_that_does_not_come_is_named() -> None:
    first, second = meet([(1, ABOUT)], timeout=0.5)
    message = r"waited for 0.5 s at 127.0.0.1:\d+; of 3 processes 1 did not come: process 2\."
    for found in (first, second):
        with pytest.raises(lp.ArgumentError, match=message):
            raise found


def test_process_0_that_does_not_come_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        place = Place("127.0.0.1", made.getsockname()[1])
    with pytest.raises(lp.ArgumentError, match=r"Process 1 of 2 has not reached .* within 0.3 s"):
        Member(1, 2, place).joined(0.3, ABOUT)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([(1, ABOUT), (1, ABOUT)], "Two processes .* were started as number 1"),
        ([(3, ABOUT)], "started as number 3. Give each another process_id, 0 to 2"),
        ([(1, ABOUT | {"processes": 2})], "Process 1 was started with processes 2, and process 0"),
        ([(1, ABOUT | {"limpide": "2"})], "Process 1 was started with limpide 2"),
    ],
)
def test_those_that_do_not_fit_are_refused_and_so_is_process_0(
    members: list[Any], message: str
) -> None:
    found = meet(members)
    with pytest.raises(lp.ArgumentError, match=message):
        raise found[0]  # type: ignore[misc]
    assert all(isinstance(one, lp.ArgumentError) for one in found)


def test_a_stranger_is_not_listened_to() -> None:
    bound = socket.create_server(("127.0.0.1", 0))
    place = Place("127.0.0.1", bound.getsockname()[1])
    hub, member = Hub(2, place, bound), Member(1, 2, place)
    joining = threading.Thread(target=hub.joined, args=(30.0, {}))
    joining.start()
    with socket.create_connection(place) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(1) == b""
    member.joined(30.0, {})
    joining.join()
    ends = [threading.Thread(target=watch.done) for watch in (hub, member)]
    for end in ends:
        end.start()
    for end in ends:
        end.join()
    member.close()
    hub.close()
