"""Shards: runs of neighbouring words that are prepared and read apart, and the exact joining of what came of them.

A shard is named by its first and last word, as LMDB keys are numbered: 000000001-000100000. Every shard leaves a
folder of that name; joining checks each against its record and puts the rows in LMDB order, as if nothing had been
split. Tensors stay where they are: the joined contract lists the files of every shard.

Not here: preparing the words of a shard (`crnn.data.tensors`), reading them (`crnn.inference.predict`).
"""

import hashlib
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from crnn.core.errors import UserError
from crnn.core.files import file_facts, read_json
from crnn.data.lmdb import Words


@dataclass(frozen=True, order=True)
class Shard:
    """Words `first` … `last` of a dataset, both included, counted from 1."""

    first: int
    last: int

    @classmethod
    def from_name(cls, name: str) -> "Shard":
        """Raises UserError where `name` is not two numbers of nine digits or more, the smaller first."""
        match = re.fullmatch(r"(\d{9,})-(\d{9,})", name)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(f"shard {name!r}: expected its first and last word, such as 000000001-000100000")
        return cls(int(match[1]), int(match[2]))

    @property
    def name(self) -> str:
        return f"{self.first:09d}-{self.last:09d}"

    @property
    def indices(self) -> range:
        return range(self.first, self.last + 1)


def split(count: int, size: int) -> list[Shard]:
    """Shards of `size` words that hold words 1 … `count` in order, each once; the last may be smaller."""
    return [Shard(first, min(first + size - 1, count)) for first in range(1, count + 1, size)]


def digest_words(words: Words, shard: Shard) -> str:
    """Hex SHA-256 over the images and labels of a shard as stored; an absent one differs from an empty one."""
    digest = hashlib.sha256()
    for index in shard.indices:
        word = words[index]
        for part in (word.image, word.label):
            digest.update(b"absent;" if part is None else b"%d;" % len(part))
            digest.update(part or b"")
    return digest.hexdigest()


def plan(words: Words, size: int) -> dict[str, Any]:
    """How a dataset is split, as shards.json holds it: words, shard_words, and name → digest of every shard."""
    shards = {shard.name: digest_words(words, shard) for shard in split(len(words), size)}
    return {"words": len(words), "shard_words": size, "shards": shards}


def read_plan(path: Path) -> list[Shard]:
    """The shards of shards.json in the order of their words.

    Raises UserError where they leave a word out or hold one twice.
    """
    content = read_json(path)
    shards = sorted(Shard.from_name(name) for name in content["shards"])
    if shards != split(content["words"], content["shard_words"]):
        raise UserError(f"{path}: its shards are not words 1 to {content['words']} in order; delete it and run again")
    return shards


# --- what a shard left -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ShardFolder:
    """What a stage left of one shard: a folder with its tables and, in `record`, what they must hash to."""

    shard: Shard
    path: Path
    record: dict[str, Any]

    @classmethod
    def open(cls, shard: Shard, folder: Path, record: str) -> "ShardFolder":
        """Raises UserError where the folder or its record is missing."""
        return cls(shard, folder / shard.name, read_json(folder / shard.name / record))

    @property
    def remedy(self) -> str:
        return f"delete {self.path} and run again"

    def table(self, name: str) -> pl.DataFrame:
        """A parquet file of the folder. Raises UserError where it is not the one of the record or of these words."""
        path = self.path / name
        recorded = {Path(file).name: facts for file, facts in self.record["outputs"].items()}
        if not path.is_file():
            raise UserError(f"{path}: no such file; {self.remedy}")
        if recorded.get(name) != file_facts(path):
            raise UserError(f"{path}: is not the file that the record of shard {self.shard.name} lists; {self.remedy}")
        table = pl.read_parquet(path)
        fault = _fault(self.shard, table["index"].to_list())
        if fault:
            raise UserError(f"{path}: shard {self.shard.name} {fault}; {self.remedy}")
        return table

    def summary(self) -> dict[str, Any]:
        """What the joined record says of this shard."""
        return {
            "results": self.record["results"],
            "host": self.record["host"]["name"],
            "seconds": self.record["seconds"],
        }


def _fault(shard: Shard, found: list[int]) -> str | None:
    """What is wrong with the words of a table, if it is not each word of the shard once and in order."""
    if found == list(shard.indices):
        return None
    held = set(found)
    missing, foreign = sorted(set(shard.indices) - held), sorted(held - set(shard.indices))
    if missing:
        return f"lacks word {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
    if foreign:
        return f"holds word {foreign[0]}, which is not one of its words"
    if len(found) > len(held):
        return f"holds word {next(index for index in sorted(held) if found.count(index) > 1)} more than once"
    return "holds its words out of order"


def open_shards(plan_file: Path, folder: Path, record: str) -> list[ShardFolder]:
    """The folders of every shard of a plan, in the order of their words. Raises UserError where one is missing."""
    return [ShardFolder.open(shard, folder, record) for shard in read_plan(plan_file)]


def remove_other_shards(plan_file: Path, folder: Path) -> None:
    """Delete the folders of shards that the plan does not have: an earlier split of the same words."""
    planned = {shard.name for shard in read_plan(plan_file)}
    for path in folder.iterdir():
        if path.name not in planned and re.fullmatch(r"\d{9,}-\d{9,}", path.name):
            shutil.rmtree(path)


# --- joining -----------------------------------------------------------------------------------------------


def join_tables(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The rows of all tables, one after the other, stored as one table made at once would be."""
    return pl.concat(list(tables)).rechunk()


def join_samples(tables: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """samples.parquet of every shard as one, each `row` counted over all shards' tensors of its width."""
    samples = join_tables(tables)
    row = pl.when(pl.col("row").is_not_null()).then(
        pl.int_range(pl.len()).over("tensor_width", pl.col("row").is_null())
    )
    return samples.with_columns(row=row)


def join_contracts(shards: list[ShardFolder], folder: Path) -> dict[str, Any]:
    """One contract for the tensors of all shards, its files with their paths from `folder`, where it will lie.

    The hashes of the tensor files are taken over, for who reads a file checks it; their sizes are compared here.
    Raises UserError where a file is missing or cut off, or a shard was prepared otherwise than the first.
    """
    contracts = [(shard, read_json(shard.path / "contract.json")) for shard in shards]
    common = _without_words(contracts[0][1])
    files = {}
    for shard, contract in contracts:
        if _without_words(contract) != common:
            raise UserError(
                f"{shard.path / 'contract.json'}: shard {shard.shard.name} was prepared otherwise than "
                f"{shards[0].shard.name}; {shard.remedy}"
            )
        for name, facts in contract["files"].items():
            path = shard.path / name
            if not path.is_file() or path.stat().st_size != facts["bytes"]:
                raise UserError(f"{path}: is not the file that contract.json of its shard lists; {shard.remedy}")
            files[path.relative_to(folder).as_posix()] = facts
    return {**common, "samples": sum(len(shard.shard.indices) for shard in shards), "files": files}


def _without_words(contract: dict[str, Any]) -> dict[str, Any]:
    """What a contract says of the way of preparing, and not of the words that were prepared."""
    return {key: value for key, value in contract.items() if key not in ("samples", "files")}
