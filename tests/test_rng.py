"""rng.py: known answers, JAX's generator, and statistics with fixed seeds."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from limpide import rng
from limpide.errors import ArgumentError, ArgumentTypeError

# Random123 (Salmon, Moraes, Dror & Shaw 2011), examples/kat_vectors, lines "threefry2x32 20":
# counter, key, answer.
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(counter: Any, key: Any, answer: Any) -> None:
    words = rng.threefry2x32(*key, *counter)
    assert tuple(int(w) for w in words) == answer


def test_arrays_of_keys_and_counters_broadcast() -> None:
    counter, key, answer = (np.array(column, np.uint32) for column in zip(*KNOWN, strict=True))
    first, second = rng.threefry2x32(key[:, :1], key[:, 1:], counter[None, :, 0], counter[:, 1])
    assert first.shape == (3, 3)
    assert first.dtype == second.dtype == np.uint32
    np.testing.assert_array_equal(np.diagonal(first), answer[:, 0])
    np.testing.assert_array_equal(np.diagonal(second), answer[:, 1])
    assert counter[2, 0] == 0x243F6A88, "the counters given were written to"


def test_the_same_words_as_jax() -> None:
    jax_random = pytest.importorskip("jax.extend.random")
    key = np.array([0xDEADBEEF, 7], np.uint32)
    n = 1001
    counters = np.concatenate([np.full(501, 42, np.uint32), np.arange(501, dtype=np.uint32)])
    theirs = np.asarray(jax_random.threefry_2x32(key, counters))[:n]
    ours = rng.random_bits(0xDEADBEEF, 42, stream=7, shape=(n,))
    np.testing.assert_array_equal(ours, theirs, strict=True)


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (7,), (32, 64), (3, 5, 7)])
def test_shape_and_out(shape: tuple[int, ...]) -> None:
    seed, step = np.array(3, np.uint32), np.array(2**32 - 1, np.uint32)
    bits = rng.random_bits(seed, step, stream=9, shape=shape)
    assert bits.shape == shape
    assert bits.dtype == np.uint32
    np.testing.assert_array_equal(bits, rng.random_bits(3, 2**32 - 1, stream=9, shape=shape))
    for out in (np.zeros(shape, np.uint32), np.zeros(shape, np.uint32, order="F")):
        assert rng.random_bits(seed, step, stream=9, shape=shape, out=out) is out
        np.testing.assert_array_equal(out, bits)
    wide = np.zeros((*shape, 2), np.uint32)
    rng.random_bits(seed, step, stream=9, shape=shape, out=wide[..., 0])
    np.testing.assert_array_equal(wide[..., 0], bits)
    assert not wide[..., 1].any()


def test_the_layout_of_the_counters() -> None:
    bits = rng.random_bits(11, 5, stream=4, shape=(3, 3)).reshape(-1)
    first, second = rng.threefry2x32(11, 4, 5, np.arange(5))
    np.testing.assert_array_equal(bits, np.concatenate([first, second])[:9])


def test_each_bit_is_one_half_of_the_time() -> None:
    n = 2**16
    bits = rng.random_bits(2026, 1, stream=0, shape=(n,))
    ones = (bits[:, None] >> np.arange(32, dtype=np.uint32) & np.uint32(1)).sum(axis=0)
    assert np.abs(ones - n / 2).max() < 4 * np.sqrt(n) / 2  # four standard deviations
    uniform = bits / 2.0**32
    assert abs(uniform.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)
    counts = np.bincount((uniform * 256).astype(int), minlength=256)
    chi_square = ((counts - n / 256) ** 2 / (n / 256)).sum()
    assert abs(chi_square - 255) < 4 * np.sqrt(2 * 255)


def test_seeds_steps_and_streams_are_unrelated() -> None:
    n = 4096
    places = list(itertools.product((0, 1, 2**32 - 1), (0, 1, 2), (0, 1, 2)))
    drawn = np.stack([rng.random_bits(s, t, stream=r, shape=(n,)) for s, t, r in places])
    assert len(np.unique(drawn, axis=0)) == len(places)
    z = (drawn / 2.0**32 - 0.5) * np.sqrt(12)
    correlation = z @ z.T / n - np.eye(len(places))
    off = correlation[~np.eye(len(places), dtype=bool)]
    assert np.abs(off).max() < 5 / np.sqrt(n)
    # No pair of words at the same place agrees more often than chance (n * pairs / 2**32).
    same = sum(int((a == b).sum()) for a, b in itertools.combinations(drawn, 2))
    assert same <= 3


def test_row_order_is_a_permutation_of_seed_and_epoch() -> None:
    order = rng.row_order(5, 2, 1000)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(1000))
    np.testing.assert_array_equal(order, rng.row_order(5, 2, 1000))
    others = [rng.row_order(s, e, 1000) for s, e in ((5, 3), (6, 2), (2, 5), (0, 0))]
    for other in others:
        assert (order == other).sum() < 10
    assert rng.row_order(0, 0, 1).tolist() == [0]
    assert rng.row_order(0, 0, 0).tolist() == []


def test_row_order_leaves_numpys_global_state_alone() -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index,union-attr]
    rng.row_order(1, 1, 50)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # type: ignore[index]


def test_the_first_place_is_equally_often_any_row() -> None:
    counts = np.bincount([rng.row_order(1, epoch, 8)[0] for epoch in range(2000)], minlength=8)
    chi_square = ((counts - 250) ** 2 / 250).sum()
    assert chi_square < 7 + 4 * np.sqrt(14)


def test_the_row_order_of_yesterday() -> None:
    # A new NumPy that fails here orders rows anew: resumed training would not be the same.
    assert rng.row_order(0, 0, 8).tolist() == [5, 0, 6, 1, 7, 2, 4, 3]
    assert rng.row_order(2**32 - 1, 7, 8).tolist() == [5, 4, 1, 3, 0, 6, 7, 2]


def test_fresh_seeds_differ_and_fit() -> None:
    seeds = [rng.fresh_seed() for _ in range(20)]
    assert all(type(seed) is int and 0 <= seed < 2**32 for seed in seeds)
    assert len(set(seeds)) > 15
    assert max(seeds) >= 2**24, "fewer than 32 bits are drawn"


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, np.int64(7), np.uint8(7), np.array(7)])
def test_check_seed_accepts_integers(seed: Any) -> None:
    checked = rng.check_seed(seed)
    assert type(checked) is int
    assert checked == seed


def test_check_seed_draws_one_for_none() -> None:
    assert len({rng.check_seed(None) for _ in range(20)}) > 15


@pytest.mark.parametrize("seed", [True, np.True_, 1.0, np.float32(2), "7", [1], np.nan])
def test_check_seed_refuses_other_types(seed: Any) -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        rng.check_seed(seed)
    message = str(caught.value)
    assert message.startswith("seed must be an integer or None, received ")
    assert repr(seed) in message
    assert type(seed).__name__ in message
    assert message.endswith("Give an integer from 0 to 4294967295, or None for a fresh one.")


@pytest.mark.parametrize("seed", [-1, 2**32, np.int64(-5), 10**30])
def test_check_seed_refuses_what_is_out_of_range(seed: Any) -> None:
    with pytest.raises(
        ArgumentError,
        match=rf"seed must be at least 0 and below 2\*\*32, received {seed}\. Give an integer",
    ):
        rng.check_seed(seed)
