"""The model card of a trained checkpoint, as Markdown, from the records that its run left.

Every number in it is one of a record. Needs no PyTorch.
"""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from crnn.core.errors import UserError
from crnn.core.files import read_json


def model_card(name: str, training: Path, fonts: Path, analyses: Sequence[Path]) -> str:
    """Return the card of the training `name`.

    training: record of train_checkpoint.py; fonts: list of list_fonts.py; analyses: errors.json of the runs that read
    with the checkpoint, the first of each dataset shown in full. Raises UserError where a record lacks something.
    """
    record = read_json(training)
    runs = [read_json(path) for path in analyses]
    first_of = {run["dataset"]: run for run in reversed(runs)}
    environment = Environment(
        loader=PackageLoader("crnn.train", "."),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        parameters = record["parameters"]
        return environment.get_template("card.md.j2").render(
            name=name,
            weights=next(facts for path, facts in record["outputs"].items() if path.endswith(".safetensors")),
            **{key: parameters[key] for key in ("settings", "network", "charset", "widths", "lexicons", "start")},
            **{key: record[key] for key in ("results", "host", "tools")},
            fonts=read_json(fonts)["counts"],
            runs=runs,
            analysed=list(first_of.values()),
        )
    except KeyError as error:
        raise UserError(f"{training}: has no {error}; it was made by another version, train again") from error
