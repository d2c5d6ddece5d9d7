"""Shares of one table: what is found in them together is what is found in the whole."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from in_threads import together
from limpide.engines.team import Team
from limpide.errors import ArgumentError, DataError
from limpide.identity import described
from limpide.rng import RowOrder
from limpide.sharing import Shares
from limpide.stored_rows import StoredRows
from limpide.tables.fitting import fit_columns
from limpide.tables.parts import ParquetParts
from limpide.tables.survey import HeldOut, Survey, surveyed

N = 1_000
CUTS = [0, 130, 131, 400, 900, N]  # of the rows into files
SIZE = 1_000_000  # bytes of the sample, which holds all rows, and of a part


def frame() -> pl.DataFrame:
    """A class, a category and a gap that stand in the last rows alone; numbers in text."""
    r = np.random.default_rng(0)
    late = np.arange(N) >= 800
    town = np.where(late, "far", r.choice(["here", "there"], N))
    kind = np.where(late & (r.random(N) < 0.5), "new", r.choice(["a", "b"], N)).tolist()
    return pl.DataFrame(
        {
            "x": [None if i % 97 == 0 else v for i, v in enumerate(r.standard_normal(N).tolist())],
            "whole": r.integers(0, 50, N),
            "town": town.tolist(),
            "kg": [f"{v} kg" if v else "?" for v in r.integers(0, 9, N).tolist()],
            "day": pl.Series(
                [None if i < 600 else f"2024-02-{i % 28 + 1:02d}" for i in range(N)]
            ).str.to_date(),
            "late": [None if i < 700 else float(i) for i in range(N)],
            "kind": [None if i % 50 == 0 else k for i, k in enumerate(kind)],
        }
    )


def written(folder: Path, table: pl.DataFrame) -> Path:
    for number, (start, stop) in enumerate(pairwise(CUTS)):
        table[start:stop].write_parquet(folder / f"{number}.parquet", row_group_size=64)
    return folder


def parts_of(folder: Path) -> ParquetParts:
    return ParquetParts(sorted(folder.glob("*.parquet")), repr(folder.name))


def look(team: Team, folder: Path, weights: Any = None, part: int = SIZE) -> Survey:
    shares = Shares(team, parts_of(folder), {})
    held_out = partial(HeldOut, 0.2, 3, shares.parts.first)
    return shares.surveyed("kind", held_out, SIZE, part, weights)


def facts(survey: Survey) -> dict[str, Any]:
    """Give all that a survey tells."""
    columns, numbers = fit_columns(survey.seen, survey.source, "robust", 8)
    table, weights = survey.label_weights
    labels = survey.labels
    return {
        "rows": (survey.n_rows, survey.n_known, survey.lost),
        "notes": (survey.notes, survey.gaps),
        "columns": described(tuple(columns)),
        "numbers": described(numbers),
        "labels": (labels.frame["kind"].to_list(), labels.origin.tolist()),  # type: ignore[union-attr]
        "weights": dict(zip(table.frame["kind"].to_list(), weights.round(9).tolist(), strict=True)),
        "targets": survey.targets.frame["kind"].to_list(),
        "seen": [
            (s.name, s.kind, s.rows, s.missing, s.constant, s.cells.drop_nulls().to_list())
            for s in survey.seen
        ],
    }


@pytest.mark.parametrize("size", [2, 3])
def test_what_is_found_is_what_the_whole_holds(tmp_path: Path, size: int) -> None:
    folder = written(tmp_path, frame())
    weights = np.random.default_rng(1).uniform(0, 2, N)
    parts = parts_of(folder)
    held_out = partial(HeldOut, 0.2, 3)
    whole = surveyed(parts, "kind", held_out, SIZE, SIZE, weights)
    found = together(size, lambda team: look(team, folder, weights))
    expected = facts(whole)
    for survey in found:
        assert facts(survey) == expected
        assert sum(survey.shares) == whole.n_rows
    assert set(expected["labels"][0]) == {"a", "b", "new"}


def test_of_too_many_texts_the_rarest_are_given_up(tmp_path: Path) -> None:
    n = 20_000
    names = [f"name {i % 9 if i % 2 else i}" for i in range(n)]
    table = pl.DataFrame({"name": names, "kind": [0, 1] * (n // 2)})
    table.write_parquet(tmp_path / "0.parquet")

    def seen(team: Team) -> Any:
        shares = Shares(team, parts_of(tmp_path), {})
        held_out = partial(HeldOut, 0.0, 3)
        survey = shares.surveyed("kind", held_out, 200_000, SIZE, None)
        (found,) = survey.seen
        return found

    for found in together(2, seen):
        counts = dict(found.counts.iter_rows())
        assert all(counts[f"name {i}"] == names.count(f"name {i}") for i in range(9))
        assert found.counts["count"].sum() + found.lost == n
        assert found.counts.height + found.others == pytest.approx(n / 2 + 4, rel=0.05)
        assert found.counts.estimated_size() < 200_000


def test_missing_cells_are_told_of_all_shares(tmp_path: Path) -> None:
    folder = written(tmp_path, frame())
    parts = parts_of(folder)
    surveyed(parts, "kind", partial(HeldOut, 0.2, 3), SIZE, SIZE)

    def notes(team: Team) -> list[str]:
        shares = Shares(team, parts_of(folder), {})
        shares.surveyed("kind", partial(HeldOut, 0.2, 3, shares.parts.first), SIZE, SIZE, None)
        return shares.parts.notes

    assert parts.notes[0].startswith("? (")
    assert together(2, notes) == [parts.notes] * 2


def test_each_reads_its_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = written(tmp_path, frame())
    parts = parts_of(folder).within(120, 410)
    read: list[tuple[str, int, int]] = []
    rows = "limpide.tables.parts.parquet_rows"
    real = ParquetParts.frames.__globals__["parquet_rows"]

    def noted(file: Path, source: str, start: int, count: int) -> pl.DataFrame:
        read.append((file.stem, start, count))
        found: pl.DataFrame = real(file, source, start, count)
        return found

    monkeypatch.setattr(rows, noted)
    found = pl.concat([table.frame["whole"] for table in parts.tables(SIZE)])
    assert found.to_list() == frame()["whole"][120:410].to_list()
    assert parts.judges()["number"].to_list() == [2, 3, 6]
    for stem, start, count in read:
        begin = CUTS[int(stem)] + start
        assert 120 <= begin < begin + count <= 410
    assert parts.n_rows == N


def test_a_column_that_is_text_in_one_share_is_text_in_all(tmp_path: Path) -> None:
    table = frame()
    cells = table["kg"].to_list()
    cells[700:720] = ["heavy"] * 20
    folder = written(tmp_path, table.with_columns(kg=pl.Series(cells)))
    found = together(2, lambda team: look(team, folder))
    for survey in found:
        (kg,) = (seen for seen in survey.seen if seen.name == "kg")
        assert kg.kind == "text"
        assert set(kg.counts["cell"]) >= {"heavy", "1 kg"}


def test_a_column_of_two_kinds_is_refused_in_all(tmp_path: Path) -> None:
    folder = written(tmp_path, frame())
    last = pl.read_parquet(folder / "4.parquet")
    last.with_columns(whole=pl.lit("many")).write_parquet(folder / "4.parquet")
    message = "column 'whole' holds numbers in some rows and text in others"
    with pytest.raises(DataError, match=message):
        together(10, lambda team: look(team, folder))


def test_what_cannot_be_shared_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path, frame())
    other = tmp_path / "other"
    other.mkdir()
    written(other, frame()[:990])
    with pytest.raises(ArgumentError, match="Process 1 was given something else than process 0: r"):
        together(2, lambda team: look(team, other if team.number else folder))
    few = tmp_path / "few"
    few.mkdir()
    frame()[:2].write_parquet(few / "0.parquet")
    with pytest.raises(DataError, match="has 2 rows, too few to share out among 3 processes"):
        together(3, lambda team: look(team, few))


# Rows on disk -------------------------------------------------------------------------------------

COUNTS, BATCH = [103, 0, 90], 8


def stored(number: int) -> StoredRows:
    """Rows of one of three processes: X is their number, from 1 on."""
    first, count = sum(COUNTS[:number]), COUNTS[number]
    X = np.arange(first + 1, first + count + 1, dtype=np.float32)[:, None]
    rows = [X, X[:, 0] % 2, np.ones(count, np.float32)]
    found = StoredRows(COUNTS, rows, BATCH, 12 * 40, seed=1, number=number)
    found.add(rows)
    return found


def test_each_row_comes_once_an_epoch_and_the_places_without_one_last(tmp_path: Path) -> None:
    shares = [stored(number) for number in range(len(COUNTS))]
    for share in shares:
        share.complete(shares[0].first(), "words")
    steps = -(-max(COUNTS) // BATCH)
    met: list[Any] = []
    for epoch in range(2):
        taken: list[Any] = []
        for share in shares:
            steps_of: list[Any] = []
            with share.feed(5) as feed:
                at = 0
                while at < steps:
                    rows, order, n = feed.take(epoch, at, steps)
                    chosen = [array[order[0]] for array in rows]
                    places = [slice(i * BATCH, (i + 1) * BATCH) for i in range(n)]
                    steps_of += [[array[place] for array in chosen] for place in places]
                    at += n
            taken.append(steps_of)
        for number, steps_of in enumerate(taken):
            there = np.concatenate([X[w > 0, 0] for X, _, w in steps_of])
            first = sum(COUNTS[:number])
            assert sorted(there) == list(range(first + 1, first + COUNTS[number] + 1))
        lengths = [[len(X) for X, _, _ in steps_of] for steps_of in taken]
        assert lengths[0] == lengths[1] == lengths[2]
        rows_a_step = sum(np.array([(w > 0).sum() for *_, w in of]) for of in taken)
        assert rows_a_step.tolist() == shares[0].rows_of_steps(5, epoch).tolist()
        met.append([(taken[0][i][0][0, 0], taken[2][i][0][0, 0]) for i in range(steps)])
    assert set(met[0]) != set(met[1])


def test_shares_draw_orders_of_their_own() -> None:
    first, last = stored(0), stored(2)
    orders = np.empty((2, 1, 20), np.int64)
    for share, order in zip((first, last), orders, strict=True):
        RowOrder(share.own_seed(7)).draw(0, order)
    assert first.own_seed(7) == 7
    assert (orders[0] != orders[1]).any()
