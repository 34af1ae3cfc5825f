"""Tables as files."""

from pathlib import Path

import polars as pl
import pytest

from crnn.core.errors import UserError
from crnn.core.tables import read_table, write_table

TABLE = pl.DataFrame({"index": [1, 2], "text": ['say "hi", you', None]})


def test_a_table_comes_back(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "words.parquet", TABLE)
    assert read_table(tmp_path / "new" / "words.parquet", ["text"]).equals(TABLE)


def test_a_csv_has_a_header_and_quotes_what_it_must(tmp_path: Path) -> None:
    write_table(tmp_path / "words.csv", TABLE)
    assert (tmp_path / "words.csv").read_text() == 'index,text\n1,"say ""hi"", you"\n2,\n'


def test_a_table_that_lacks_columns_names_them(tmp_path: Path) -> None:
    write_table(tmp_path / "words.parquet", TABLE)
    with pytest.raises(UserError, match="lacks the columns confidence, label"):
        read_table(tmp_path / "words.parquet", ["index", "confidence", "label"])
