"""Tables as files, Parquet or CSV. Apart from `crnn.core.files`, which needs no Polars."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import atomic_path


def write_table(target: Path, table: pl.DataFrame) -> None:
    """Write `table` atomically: as CSV with a header where the name of `target` ends so, else as Parquet."""
    with atomic_path(target) as temporary:
        write = table.write_csv if target.suffix == ".csv" else table.write_parquet
        write(temporary)


def read_table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Read a parquet file. Raises UserError where it is missing, unreadable or lacks one of `columns`."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; run the stage that writes it, or `snakemake --cores 4 report`")
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise UserError(f"{path}: cannot be read as parquet ({error}); remove it and run again") from error
    lost = [column for column in columns if column not in table.columns]
    if lost:
        raise UserError(f"{path}: lacks the columns {', '.join(lost)}; it was made by another version, run again")
    return table
