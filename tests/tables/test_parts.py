"""Tables in parts: typed as the whole would be, in files of every kind, with faults named."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from limpide.errors import DataError, FileError
from limpide.tables import decoding, read_table
from limpide.tables.fitting import fit_columns, seen_in
from limpide.tables.parts import ParquetParts, Parts, ReadAgain, TextParts
from limpide.tables.reading import open_table
from limpide.tables.survey import HeldOut, Survey, Texts, surveyed
from limpide.tables.text_file import TextFile

N = 6_000
A_PART = 8 * 1_000  # bytes: parts of the least number of rows


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHUNK", 20_000)


def frame(n: int = N) -> pl.DataFrame:
    """Columns of every kind, with gaps; what they are shows only over many rows."""
    r = np.random.default_rng(0)
    days = [datetime.date(2024, 1, 1) + datetime.timedelta(i % 800) for i in range(n)]
    some = r.random(n) < 0.1
    values = r.standard_normal(n).round(4).tolist()
    return pl.DataFrame(
        {
            "x": [None if gone else v for gone, v in zip(some, values, strict=True)],
            "count": r.integers(0, 100_000, n),
            "late": [None] * 3_000 + [1.5] * (n - 3_000),
            "town": [f"town {i}" for i in r.integers(0, 30, n)],
            "day": [f"{day:%d/%m/%Y}" for day in days],
            "when": days,
            "price": [f"{v:.2f} €" for v in r.uniform(1, 9, n)],
            "is it": (r.random(n) < 0.3).tolist(),
            "sold": r.integers(0, 2, n),
        }
    )


def csv(tmp_path: Path, table: pl.DataFrame | None = None) -> Path:
    path = tmp_path / "t.csv"
    (frame() if table is None else table).write_csv(path)
    return path


def parts_of(path: Path) -> Parts:
    if path.is_dir():
        return ParquetParts(sorted(path.glob("*.parquet")), repr(str(path)))
    if path.suffix == ".csv":
        return TextParts(TextFile(path, repr(str(path))))
    return ParquetParts([path], repr(str(path)))


def parquet(tmp_path: Path) -> Path:
    frame().write_parquet(tmp_path / "t.parquet", row_group_size=2_500)
    return tmp_path / "t.parquet"


def folder(tmp_path: Path) -> Path:
    path = tmp_path / "folder"
    path.mkdir()
    whole = frame()
    bounds = [0, 700, 700, 3_100, N]  # an empty file among them
    for i in range(4):
        some = whole[bounds[i] : bounds[i + 1]]
        names = whole.columns if i != 2 else whole.columns[::-1]
        some.select(names).write_parquet(path / f"{i}.parquet")
    return path


FILES = [csv, parquet, folder]


@pytest.mark.parametrize("make", FILES)
def test_parts_are_the_whole(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    parts, whole = parts_of(path), read_table(path)
    tables = list(parts.tables(A_PART))
    assert len(tables) > 4
    assert parts.n_rows == N == sum(table.n_rows for table in tables)
    assert parts.columns == whole.columns
    joined = pl.concat([table.frame for table in tables], how="vertical_relaxed")
    assert_frame_equal(joined.cast(dict(whole.frame.schema)), whole.frame)
    again = pl.concat([t.frame for t in parts.tables(A_PART)], how="vertical_relaxed")
    assert_frame_equal(again, joined)


@pytest.mark.parametrize("make", FILES)
def test_the_size_is_about_what_the_table_takes(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    held = read_table(path).frame.estimated_size()
    assert 0.5 * held < parts_of(path).size < 4 * held


@pytest.mark.parametrize("make", FILES)
def test_rows_are_found_in_the_file(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    *_, last = parts_of(make(tmp_path)).tables(A_PART)
    at = last.n_rows - 1
    expected = {
        csv: f"row {N} (line {N + 1})",
        parquet: f"index {N - 1}",
        folder: f"index {N - 3_100 - 1}",
    }
    assert last.place(at) == expected[make]
    assert last.take(np.array([at])).place(0) == expected[make]


def test_columns_are_left_out(tmp_path: Path) -> None:
    parts = parts_of(parquet(tmp_path)).without(["x", "town"])
    assert parts.columns == ["count", "late", "day", "when", "price", "is it", "sold"]
    assert next(parts.tables(A_PART)).columns == parts.columns


def test_a_late_word_among_numbers_is_named_as_in_the_whole(tmp_path: Path) -> None:
    table = frame().with_columns(pl.col("x").cast(pl.String))
    rows = table["x"].to_list()
    rows[4_321] = "oops"
    path = csv(tmp_path, table.with_columns(pl.Series("x", rows)))
    with pytest.raises(DataError, match=r"column 'x', row 4322 \(line 4323\): 'oops' is not a num"):
        read_table(path)
    with pytest.raises(DataError, match=r"column 'x', row 4322 \(line 4323\): 'oops' is not a num"):
        list(parts_of(path).tables(A_PART))


def column_of(path: Path, name: str) -> pl.Series:
    """Read a table in parts, anew where it must be."""
    parts = parts_of(path)
    while True:
        try:
            found = [table.frame[name] for table in parts.tables(A_PART)]
        except ReadAgain:
            continue
        return pl.concat(found)


@pytest.mark.parametrize("at", [10, 5_500])
def test_codes_with_zeros_in_front_are_text_from_the_beginning(tmp_path: Path, at: int) -> None:
    codes = [str(1000 + i) for i in range(N)]
    codes[at] = "0123"
    path = csv(tmp_path, pl.DataFrame({"code": codes, "y": [0, 1] * (N // 2)}))
    assert read_table(path).frame["code"].to_list() == codes
    assert column_of(path, "code").to_list() == codes


def test_text_of_a_parquet_file_that_is_numbers_only_at_first_is_text(tmp_path: Path) -> None:
    cells = ["1,5 €" if i < 4_000 else "none known" for i in range(N)]
    path = tmp_path / "t.parquet"
    pl.DataFrame({"price": cells, "y": [0, 1] * (N // 2)}).write_parquet(path)
    assert read_table(path).frame["price"].to_list() == cells
    assert column_of(path, "price").to_list() == cells


def test_files_whose_columns_are_of_different_kinds(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1.5, 2.5]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": [True, False]}).write_parquet(tmp_path / "2.parquet")
    parts = parts_of(tmp_path)
    with pytest.raises(ReadAgain):
        list(parts.tables(A_PART))
    with pytest.raises(DataError, match="column 'a' holds numbers in some rows and true or fal"):
        list(parts.tables(A_PART))
    with pytest.raises(DataError, match="column 'a' holds numbers in some rows and true or fal"):
        read_table(tmp_path)


def test_files_that_do_not_fit_together_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "2.parquet")
    with pytest.raises(DataError, match=r"2.parquet' lacks the column 'b' that .*1.parquet' has"):
        read_table(tmp_path)
    (tmp_path / "2.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"2.parquet' is cut off"):
        read_table(tmp_path)
    (tmp_path / "2.parquet").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"2.parquet' is named like a Parquet file"):
        read_table(tmp_path)


def test_folders_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="is a folder, not a table, and there is no Parquet file"):
        read_table(tmp_path)
    deeper = tmp_path / "year=2024"
    deeper.mkdir()
    pl.DataFrame({"a": [1]}).write_parquet(deeper / "1.parquet")
    with pytest.raises(FileError, match=r"in folders within it, such as 'year=2024'"):
        read_table(tmp_path)
    (tmp_path / "_SUCCESS").touch()
    deeper.rename(tmp_path / "_old")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "1.pq")
    assert read_table(tmp_path).frame["a"].to_list() == [1]


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = csv(tmp_path)
    parts = parts_of(path)
    assert parts.n_rows == N
    with path.open("a") as file:
        file.write(path.read_text().splitlines()[-1] + "\n")
    with pytest.raises(DataError, match="changed while it was read"):
        list(parts.tables(A_PART))


def test_only_what_is_too_large_is_given_in_parts(tmp_path: Path) -> None:
    path = csv(tmp_path)
    assert isinstance(open_table(path, 1e5), TextParts)
    assert open_table(path, 1e9).n_rows == N
    assert isinstance(open_table(folder(tmp_path), 1e5), ParquetParts)
    assert open_table({"a": [1, 2]}, 1.0).n_rows == 2


# The survey --------------------------------------------------------------------------------------


def survey_of(path: Path, target: str = "sold", held: float = 0.0) -> Survey:
    return surveyed(parts_of(path), target, lambda: HeldOut(held, 0), 10**7, A_PART)


@pytest.mark.parametrize("make", FILES)
def test_what_a_survey_sees_is_what_the_whole_shows(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    whole, survey = read_table(path), survey_of(path)
    names = [name for name in whole.columns if name != "sold"]
    expected = fit_columns([seen_in(whole, name) for name in names], "t", "robust", 8)
    found = fit_columns(survey.seen, "t", "robust", 8)
    assert found[0] == expected[0]
    for attribute in ("centre", "factor", "missing", "spike"):
        assert getattr(found[1], attribute) == getattr(expected[1], attribute)
    for ours, theirs in zip(found[1].edges, expected[1].edges, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert survey.n_rows == survey.n_known == N
    for note in (
        "'price': read as numbers, the sign '€' left off",
        "'day' read as dates (DD/MM/YYYY",
    ):
        assert sum(note in said for said in survey.notes) == 1
    assert survey.n_numbers == sum(whole.frame[name].dtype != pl.String for name in names)


def test_statistics_are_of_rows_that_are_learned_from(tmp_path: Path) -> None:
    path = csv(tmp_path)
    survey, whole = survey_of(path, held=0.4), read_table(path)
    kept = ~HeldOut(0.4, 0).next(N)
    assert survey.n_rows == kept.sum()
    assert survey.n_known == N
    trained = whole.take(np.flatnonzero(kept))
    names = [name for name in whole.columns if name != "sold"]
    assert [s.missing for s in survey.seen] == [seen_in(trained, n).missing for n in names]
    values, weights = survey.label_weights
    counts = dict(zip(values.frame["sold"].to_list(), weights.tolist(), strict=True))
    assert counts == {v: (trained.frame["sold"] == v).sum() for v in (0, 1)}


def test_the_sample_is_bounded_and_even(tmp_path: Path) -> None:
    path = csv(tmp_path, pl.DataFrame({"x": np.arange(50_000), "y": np.arange(50_000) % 2}))
    survey = surveyed(parts_of(path), "y", lambda: HeldOut(0.0, 0), 80_000, A_PART)
    (seen,) = survey.seen
    assert seen.cells.to_list() == list(range(0, 50_000, 10))
    assert survey.targets.n_rows == 5_000


def test_a_column_whose_numbers_the_sample_misses(tmp_path: Path) -> None:
    rare = [7.5 if i in (2, 43_211) else None for i in range(50_000)]
    path = csv(tmp_path, pl.DataFrame({"x": rare, "y": np.arange(50_000) % 2}))
    survey = surveyed(parts_of(path), "y", lambda: HeldOut(0.0, 0), 80_000, A_PART)
    (seen,) = survey.seen
    assert seen.missing == 49_998
    assert seen.cells.to_list() == [7.5, 7.5]


def test_the_labels_are_the_first_rows_of_each(tmp_path: Path) -> None:
    y = ["a"] * 2_000 + ["b"] * 2_000 + [None] * 1_000 + ["c"] * 1_000
    path = csv(tmp_path, pl.DataFrame({"x": np.arange(6_000) % 7, "y": y}))
    survey = survey_of(path, "y")
    labels = survey.labels
    assert labels.frame["y"].to_list() == ["a", "b", "c"]
    assert labels.place(2) == "row 5001 (line 5002)"
    assert survey.lost == 1_000
    assert survey.n_known == 5_000
    assert survey.notes[-1] == "1000 rows without a target ('y') are left out"
    with pytest.raises(DataError, match=r"Target column 'z' is not in the table\."):
        survey_of(path, "z")


def test_rare_texts_are_given_up_where_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("limpide.tables.survey._FEWEST_TEXTS", 50)
    words = [f"often {i % 20}" if i % 2 else f"once {i}" for i in range(N)]
    path = csv(tmp_path, pl.DataFrame({"x": words, "y": np.arange(N) % 2}))
    parts, held_out = parts_of(path), lambda: HeldOut(0.0, 0)
    (seen,) = surveyed(parts, "y", held_out, 16_000, A_PART).seen
    counts = dict(seen.counts.iter_rows())
    assert [counts[f"often {i}"] for i in range(1, 20, 2)] == [N // 20] * 10
    assert len(counts) < 400
    assert sum(counts.values()) + seen.lost == N
    assert len(counts) + seen.others == N // 2 + 10
    (whole,) = survey_of(path, "y").seen
    assert (len(whole.counts), whole.others, whole.lost) == (N // 2 + 10, 0, 0)


def test_how_many_texts_were_given_up_is_estimated() -> None:
    texts = Texts()
    for _ in range(3):  # each text again and again
        for start in range(0, 60_000, 5_000):
            cells = pl.Series("cell", [f"text {i}" for i in range(start, start + 5_000)])
            texts.add(cells, 200_000)
    others, lost = texts.given_up()
    assert len(texts.counts) + others == pytest.approx(60_000, rel=0.06)
    assert int(texts.counts["count"].sum()) + lost == 180_000


def test_a_target_of_whole_numbers_in_one_file_and_not_in_another(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2], "y": [1, 2]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"a": [1, 2], "y": [2.0, 3.0]}).write_parquet(tmp_path / "2.parquet")
    assert survey_of(tmp_path, "y").labels.frame["y"].to_list() == [1.0, 2.0, 3.0]


def test_names_that_polars_takes_for_patterns(tmp_path: Path) -> None:
    path = csv(tmp_path, pl.DataFrame({"^x$": [1, 2, 3], "*": [0, 1, 1], "y": [0, 1, 0]}))
    seen = {s.name: s.cells.to_list() for s in survey_of(path, "y").seen}
    assert seen == {"^x$": [1, 2, 3], "*": [0, 1, 1]}


def test_files_without_rows_alone(tmp_path: Path) -> None:
    for name in "12":
        pl.DataFrame(schema={"a": pl.Int64, "y": pl.Int64}).write_parquet(
            tmp_path / f"{name}.parquet"
        )
    with pytest.raises(DataError, match="has columns but no rows"):
        open_table(tmp_path, 1e6)


def test_datetimes_of_different_units_are_of_one_kind(tmp_path: Path) -> None:
    when = pl.Series("d", [datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 2)])
    for unit in ("ns", "ms"):
        pl.DataFrame([when.dt.cast_time_unit(unit)]).write_parquet(tmp_path / f"{unit}.parquet")
    assert sum(table.n_rows for table in parts_of(tmp_path).tables(A_PART)) == 4
    assert read_table(tmp_path).frame["d"].to_list() == [*when, *when]


def test_the_size_is_measured_throughout(tmp_path: Path) -> None:
    """An empty file first, and rows that are small at the beginning alone."""
    pl.DataFrame(schema={"t": pl.String}).write_parquet(tmp_path / "0.parquet")
    texts = pl.DataFrame({"t": ["a"] * 2_000 + ["b" * 500] * 20_000})
    texts.write_parquet(tmp_path / "1.parquet")
    assert parts_of(tmp_path).size == pytest.approx(texts.estimated_size(), rel=0.2)


@pytest.mark.parametrize("make", FILES)
def test_a_file_that_changes_between_two_passes(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    parts = parts_of(path)
    list(parts.tables(A_PART))
    file = max(path.iterdir()) if path.is_dir() else path
    was = file.read_bytes()
    file.write_bytes(was + b"1")
    with pytest.raises(DataError, match="was changed while it was read"):
        list(parts.tables(A_PART))
    file.unlink()
    with pytest.raises(DataError, match="was changed while it was read"):
        list(parts.tables(A_PART))


def test_a_column_that_begins_late_is_not_said_to_be_missing(tmp_path: Path) -> None:
    late = [None] * (N - 10) + [1.5] * 10
    path = csv(tmp_path, pl.DataFrame({"a": late, "gone": [None] * N, "y": [0, 1] * (N // 2)}))
    told = [n for n in survey_of(path, "y").notes if "every cell is missing" in n]
    assert told == ["column 'gone': every cell is missing"]


@pytest.mark.parametrize("make", ["csv", "parquet"])
def test_it_is_told_how_missing_cells_were_written(tmp_path: Path, make: str) -> None:
    words = ["NA" if i % 3 == 0 else "?" if i in (5, 5_000) else f"town {i % 9}" for i in range(N)]
    table = pl.DataFrame({"x": words, "y": [0, 1] * (N // 2)})
    path = tmp_path / f"t.{make}"
    (table.write_csv if make == "csv" else table.write_parquet)(path)
    parts = parts_of(path)
    told = "? (2) and NA (2000) read as missing: 2002 cells in 1 column"
    assert told in read_table(path).notes
    for _ in range(2):  # each pass counts anew
        assert len(list(parts.tables(A_PART))) > 2
        assert told in parts.notes
