"""Train a CRNN on words that are rendered as it learns, and write its averaged weights.

Killed and started again with the same arguments, it goes on from its last saved state with the same words in the same
order. The state is in --state; it is removed when the weights are written.

  --settings '{"seed": 0, "words": 2000000, "batch": 64, …}'   see config/schema.yaml, training
"""

import hashlib
import json
from dataclasses import asdict
from functools import partial

import torch

from crnn.core.command import LOG, Arguments, Command, named_path
from crnn.core.files import sha256
from crnn.core.record import Record
from crnn.data.preprocess import Preprocess
from crnn.data.render.fonts.listing import read_fonts
from crnn.data.render.sample import Renderer
from crnn.data.render.text.lexicon import Lexicon, read_words
from crnn.model.charset import Charset
from crnn.model.checkpoint import read_checkpoint, require
from crnn.model.network import CRNN, NetworkSize
from crnn.model.weights import write_weights
from crnn.train.loop import Run, write_log
from crnn.train.pool import pooled_batches
from crnn.train.settings import TrainingSettings
from crnn.train.steps import Learner, chosen_device, kept_weights
from crnn.train.stream import Preparation, batches, training_policy
from crnn.train.validate import ValidationSet


def arguments(command: Command) -> None:
    command.add_json("--settings", "what decides the weights")
    command.add_json("--network", "sizes, as in config `models`")
    command.add_argument("--charset", required=True, help="characters of the network, in class order")
    command.add_json("--widths", "the width rule the checkpoint is meant for")
    command.add_path("--fonts", "fonts.json of list_fonts.py")
    command.add_paths("--lexicon", "word lists, a word per line")
    command.add_path("--start", "weights to start from instead of random ones", required=False)
    command.add_argument("--validation", type=named_path, nargs="+", required=True, metavar="NAME=LMDB")
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_threads()
    command.add_argument("--processes", type=int, help="for rendering; default: all cores but one with a GPU, else 1/4")
    command.add_argument("--save-seconds", type=float, default=300, help="seconds between two saved states")
    command.add_argument("--code", default="", help="what tells this code from another; its digest is in the record")
    command.add_path("--state", "file that a killed run goes on from")
    command.add_output("weights.safetensors to write")
    command.add_path("--log", "log.jsonl to write")


def identity(args: Arguments) -> str:
    """16 hex digits over what a state must agree on: settings, fonts, words and the weights at the start."""
    files = [args.fonts, *args.lexicon, *([args.start] if args.start else [])]
    told = [args.settings, args.network, args.charset, args.widths, [sha256(path) for path in files]]
    return digest(json.dumps(told, sort_keys=True))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rendering_processes(args: Arguments, device: torch.device) -> int:
    """A GPU learns faster than a core renders; a CPU learns slower, and shares its cores."""
    if args.processes is not None:
        return int(args.processes)
    threads = int(args.threads)
    return max(1, threads - 1 if device.type == "cuda" else threads // 4)


def main(args: Arguments) -> None:
    settings, charset = TrainingSettings(**args.settings), Charset(args.charset)
    policy = training_policy(charset)
    inputs = [args.fonts, *args.lexicon, *(words / "data.mdb" for _, words in args.validation), args.start]
    lexicons, start, code = list(map(str, args.lexicon)), args.start and str(args.start), digest(args.code)
    tools = ("torch", "numpy", "opencv-python-headless", "pillow", "safetensors")
    record = Record.begin(args, inputs, tools, lexicons=lexicons, start=start, code=code)

    torch.set_num_threads(args.threads)
    device = chosen_device(args.device)
    fonts = read_fonts(args.fonts, "train")
    renderer = Renderer(settings.seed, fonts, Lexicon(*map(read_words, args.lexicon)))
    preprocess = Preprocess.from_settings(args.widths)
    prepare = Preparation(renderer, preprocess, settings.jitter, charset, policy, settings.seed)
    validation = {name: ValidationSet.read(words, preprocess, policy) for name, words in args.validation}
    for name, words in validation.items():
        LOG.info("validation set %s: %d words", name, len(words))
    size = NetworkSize.from_json(args.network)
    torch.manual_seed(settings.seed)
    network = CRNN(size)
    if args.start:
        imported = read_checkpoint(args.start, size)
        require(args.start, imported.size, asdict(size))
        network.load_state_dict(imported.state)
    learner = Learner(network, settings, device)
    processes = rendering_processes(args, device)
    if settings.minutes is None:
        stream = partial(batches, prepare, settings.batch, processes=processes)
    else:
        stream = partial(pooled_batches, prepare, settings.batch, settings.shelf, device, processes=processes)
    training = Run(settings, learner, stream, validation, charset, args.state, identity(args), code, args.save_seconds)
    progress = training.train()
    write_weights(kept_weights(learner.averaged), size, args.output)
    write_log(progress.history, args.log)
    record.finish(
        [args.output, args.log],
        words=progress.seen,
        rendered=progress.place.next,
        seconds=round(progress.seconds, 1),
        fonts=len(fonts),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        validation={name: {"words": len(words)} for name, words in validation.items()},
        code=progress.code,
        last=progress.history[-1],
    )
    args.state.unlink(missing_ok=True)
