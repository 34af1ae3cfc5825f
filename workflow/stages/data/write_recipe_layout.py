"""Write a dataset's tensors in the layout of the CRNN_Dynamic recipe, for other tools.

test_{i}.npy (float32 [1, 1, 32, W], i counted from 1) and label.txt (`test_{i}.npy:label` per line).
"""

from crnn.core.command import LOG, Arguments, Command
from crnn.data.buckets import width_settings
from crnn.data.preprocess import Preprocess
from crnn.data.tensors import TensorSet, write_recipe_layout


def arguments(command: Command) -> None:
    command.add_paths("--tensors", "folders of make_tensors, a part each")
    command.add_argument("--widths", type=width_settings, required=True, help="width rule or plan.json of the tensors")
    command.add_output("folder to write", record=False)


def main(args: Arguments) -> None:
    left_out = write_recipe_layout(TensorSet(args.tensors, Preprocess.from_settings(args.widths)), args.output)
    LOG.info(
        "%d words left out (no image, no label, or one of several lines): %s",
        len(left_out),
        ", ".join(left_out) or "none",
    )
