"""Tables: a file or a data frame in, one checked ``Table`` out; results out as CSV.

Answers for finding every fault of a table and naming it by column, row and line. Not for: turning
text, dates and missing cells into the numbers of a network, which is the preprocessing's work.
"""

from __future__ import annotations

from limpide.tables.reading import read_table
from limpide.tables.table import Table, missing_column
from limpide.tables.writing import write_csv

__all__ = ["Table", "missing_column", "read_table", "write_csv"]
