"""Train a CRNN on words that are rendered as it learns, and write its averaged weights.

Killed and started again with the same arguments, it goes on from its last saved state with the same words in the same
order. The state is in --state; it is removed when the weights are written.

  --recipe '{"seed": 0, "words": 2000000, "batch": 64, …}'   see config/schema.yaml, training
"""

import hashlib
import json
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

import torch

from crnn.charset import Charset
from crnn.checkpoint import read_checkpoint, write_weights
from crnn.files import sha256
from crnn.network import CRNN, NetworkSize
from crnn.record import Record
from crnn.render.fonts import read_fonts
from crnn.render.lexicon import Lexicon, read_words
from crnn.render.sample import Renderer
from crnn.stage import LOG, json_object, parser, run
from crnn.tensors import Preprocess
from crnn.train.loop import Run, write_log
from crnn.train.pool import pooled_batches
from crnn.train.recipe import Recipe
from crnn.train.steps import Learner, chosen_device, kept_weights
from crnn.train.stream import Preparation, batches, training_policy
from crnn.train.validate import ValidationSet


def named_path(text: str) -> tuple[str, Path]:
    """Argparse type: NAME=PATH."""
    name, _, path = text.partition("=")
    return name, Path(path)


def arguments() -> ArgumentParser:
    command = parser(__doc__)
    command.add_argument("--recipe", type=json_object, required=True, help="settings of the run")
    command.add_argument("--network", type=json_object, required=True, help="sizes, as in config `models`")
    command.add_argument("--charset", required=True, help="characters in class order")
    command.add_argument("--widths", type=json_object, required=True, help="the width rule the checkpoint is meant for")
    command.add_argument("--fonts", type=Path, required=True, help="fonts.json of list_fonts.py")
    command.add_argument("--lexicon", type=Path, nargs="+", required=True, help="word lists, a word per line")
    command.add_argument("--start", type=Path, help="weights to start from instead of random ones")
    command.add_argument("--validation", type=named_path, nargs="+", required=True, metavar="NAME=LMDB")
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_argument("--threads", type=int, default=1, help="cores to use")
    command.add_argument(
        "--processes", type=int, help="of them for rendering; default: all but one with a GPU, else 1/4"
    )
    command.add_argument("--save-seconds", type=float, default=300, help="seconds between two saved states")
    command.add_argument("--code", default="", help="what tells this code from another; its digest is in the record")
    command.add_argument("--state", type=Path, required=True, help="file that a killed run goes on from")
    command.add_argument("--output", type=Path, required=True, help="weights.safetensors to write")
    command.add_argument("--log", type=Path, required=True, help="log.jsonl to write")
    command.add_argument("--record", type=Path, required=True)
    return command


def identity(args: Namespace) -> str:
    """16 hex digits over what a state must agree on: settings, fonts, words and the weights at the start."""
    files = [args.fonts, *args.lexicon, *([args.start] if args.start else [])]
    settings = [args.recipe, args.network, args.charset, args.widths, [sha256(path) for path in files]]
    return digest(json.dumps(settings, sort_keys=True))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def new_network(size: NetworkSize, seed: int, start: Path | None) -> CRNN:
    torch.manual_seed(seed)
    network = CRNN(size)
    if start:
        network.load_state_dict(read_checkpoint(start, size).state)
    return network


def rendering_processes(args: Namespace, device: torch.device) -> int:
    """A GPU learns faster than a core renders; a CPU learns slower, and shares its cores."""
    if args.processes is not None:
        return int(args.processes)
    return max(1, args.threads - 1 if device.type == "cuda" else args.threads // 4)


def main(args: Namespace) -> None:
    recipe, charset = Recipe.from_settings(args.recipe), Charset(args.charset)
    policy = training_policy(charset)
    inputs = [args.fonts, *args.lexicon, *(words / "data.mdb" for _, words in args.validation)]
    parameters = {name: getattr(args, name) for name in ("recipe", "network", "charset", "widths")}
    parameters |= {"lexicons": list(map(str, args.lexicon)), "start": str(args.start) if args.start else None}
    tools = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors")
    record = Record("train_checkpoint", inputs + ([args.start] if args.start else []), parameters, tools)

    torch.set_num_threads(args.threads)
    device = chosen_device(args.device)
    fonts = read_fonts(args.fonts, "train")
    renderer = Renderer(recipe.seed, fonts, Lexicon(*map(read_words, args.lexicon)))
    preprocess = Preprocess.from_settings(args.widths)
    prepare = Preparation(renderer, preprocess, recipe.jitter, charset, policy, recipe.seed)
    validation = {name: ValidationSet.read(words, preprocess, policy) for name, words in args.validation}
    for name, words in validation.items():
        LOG.info("validation set %s: %d words", name, len(words))
    size = NetworkSize(tuple(args.network["channels"]), args.network["hidden"], args.network["classes"])
    learner = Learner(new_network(size, recipe.seed, args.start), recipe, device)
    processes = rendering_processes(args, device)
    if recipe.minutes is None:
        stream = partial(batches, prepare, recipe.batch, processes=processes)
    else:
        stream = partial(pooled_batches, prepare, recipe.batch, recipe.shelf, device, processes=processes)
    training = Run(
        recipe, learner, stream, validation, charset, args.state, identity(args), digest(args.code), args.save_seconds
    )
    progress = training.train()
    write_weights(kept_weights(learner.averaged), size, args.output)
    write_log(progress.history, args.log)
    record.results = {
        "words": progress.seen,
        "rendered": progress.place.next,
        "seconds": round(progress.seconds, 1),
        "fonts": len(fonts),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "validation": {name: {"words": len(words)} for name, words in validation.items()},
        "code": progress.code,
        "last": progress.history[-1],
    }
    record.write(args.record, [args.output, args.log])
    args.state.unlink(missing_ok=True)


if __name__ == "__main__":
    run(main, arguments())
