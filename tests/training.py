"""A training run small enough for a test: the bundled fonts, three words, a network of a few channels."""

from functools import partial
from pathlib import Path

import torch

from crnn.data.preprocess import Preprocess
from crnn.data.render.fonts.listing import find_fonts
from crnn.data.render.sample import Renderer
from crnn.data.render.text.lexicon import CHARACTERS, Lexicon
from crnn.data.widths import Aspect
from crnn.model.charset import Charset
from crnn.model.network import CRNN
from crnn.train.loop import Run
from crnn.train.settings import TrainingSettings
from crnn.train.steps import Learner
from crnn.train.stream import Preparation, batches, training_policy
from workspace import ROOT, SMALL

CHARSET = Charset("0123456789abcdefghijklmnopqrstuvwxyz")
FONTS = find_fonts([ROOT / "resources" / "fonts"], CHARACTERS).fonts
RENDERER = Renderer(5, FONTS, Lexicon(("exit", "hotel", "parking")))
PREPROCESS = Preprocess(Aspect(step=32, max=200), "opencv-area-cubic")
PREPARE = Preparation(RENDERER, PREPROCESS, (0.75, 1.25), CHARSET, training_policy(CHARSET), seed=5)
CPU = torch.device("cpu")


def small_learner(settings: TrainingSettings) -> Learner:
    torch.set_num_threads(1)  # two threads wait for each other where tests run side by side
    torch.manual_seed(settings.seed)
    return Learner(CRNN(SMALL), settings, CPU)


def small_run(settings: TrainingSettings, folder: Path, code: str = "code") -> Run:
    """A run that saves its state after every step."""
    stream = partial(batches, PREPARE, settings.batch, processes=0)
    return Run(
        settings, small_learner(settings), stream, {}, CHARSET, folder / "state.pt", "identity", code, save_seconds=0
    )
