"""The optimiser's side of a batch: forward, CTC loss, backward, clip, step, moving average."""

from functools import partial
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from crnn.core.errors import UserError
from crnn.data.preprocess import normalise
from crnn.model.charset import BLANK
from crnn.model.layouts import StateDict
from crnn.model.network import CRNN
from crnn.train.convolution import convolved
from crnn.train.settings import TrainingSettings
from crnn.train.stream import Batch

Device = Literal["auto", "cpu", "cuda"]


def chosen_device(name: Device) -> torch.device:
    """`auto` is the GPU where PyTorch sees one. Raises UserError where `cuda` is asked for and there is none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError(
            f"training.<name>.device is cuda, but PyTorch {torch.__version__} sees no GPU here; install its CUDA build "
            f"and a driver, or set device: cpu"
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16.

    Without them PyTorch 2.13 multiplies in plain loops: on a CPU with AVX2 alone, 15 times slower than in float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return any(able.get(instructions, False) for instructions in ("avx512_bf16", "amx_bf16", "bf16"))


class Learner:
    """A network with its optimiser, its schedule and the moving average of its weights.

    Convolutions run channels-last, and in bfloat16 where the device has it, which is what makes a CPU or a GPU fast;
    the recurrent layers and the loss stay in float32, where sums over time need it (and are faster so on a CPU,
    PyTorch 2.13).
    """

    def __init__(self, network: CRNN, settings: TrainingSettings, device: torch.device) -> None:
        self.device = device
        self.network = network.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        # Weights that multiply inputs decay; biases and normalisation's scales would only be hurt by it.
        groups = [
            {"params": [each for each in network.parameters() if (each.ndim > 1) == matrices], "weight_decay": decay}
            for matrices, decay in ((True, settings.weight_decay), (False, 0.0))
        ]
        self._optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self._settings = settings
        average = get_ema_multi_avg_fn(settings.average)  # type: ignore[no-untyped-call]
        self._average = AveragedModel(self.network, multi_avg_fn=average, use_buffers=True)
        self._parts: dict[str, Any] = {"network": network, "optimiser": self._optimiser, "average": self._average}

    @property
    def learning_rate(self) -> float:
        return float(self._optimiser.param_groups[0]["lr"])

    @property
    def averaged(self) -> CRNN:
        """The network of the averaged weights: what is validated and kept."""
        return cast(CRNN, self._average.module)

    def learn(self, batch: Batch, share: float) -> float:
        """Take one step, a share of the run being over; return the loss, the mean over words of -log p per character.

        Raises RuntimeError where the loss is not a number.
        """
        for group in self._optimiser.param_groups:
            group["lr"] = self._settings.rate(share)
        images = batch.pixels if isinstance(batch.pixels, Tensor) else torch.from_numpy(normalise(batch.pixels))
        images = images[:, None].to(self.device, memory_format=torch.channels_last, non_blocking=True)
        loss = ctc_loss(log_probabilities(self.network, images), batch.classes)
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self._settings.clip)
        self._optimiser.step()
        self._average.update_parameters(self.network)
        value = float(loss.detach())
        if not np.isfinite(value):
            raise RuntimeError(f"the loss is {value} at learning rate {self.learning_rate:.2e}; lower learning_rate")
        return value

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state[name])


def log_probabilities(network: CRNN, images: Tensor) -> Tensor:
    """Log-probabilities float32 [T, N, C] of images [N, 1, 32, W], the convolutions in the way fast on their device."""
    able = has_bfloat16(images.device)
    look = network.cnn if able or images.device.type != "cpu" else partial(convolved, network.cnn)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=able):
        features: Tensor = look(images)
    return network.classify(features.float())


def ctc_loss(log_probabilities: Tensor, classes: list[list[int]]) -> Tensor:
    """CTC loss (Graves et al., ICML 2006) of [T, N, C], each word's divided by its length, averaged over words.

    A word that its time steps cannot spell counts as zero instead of infinity.
    """
    steps, words, _ = log_probabilities.shape
    return F.ctc_loss(
        log_probabilities,
        torch.tensor([character for label in classes for character in label], device=log_probabilities.device),
        torch.full((words,), steps),
        torch.tensor([len(label) for label in classes]),
        blank=BLANK,
        zero_infinity=True,
    )


def kept_weights(network: CRNN) -> StateDict:
    """A state dict on the CPU with matrices in half precision; vectors, which are few and some of them large, whole."""
    return {
        name: (tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor).cpu().contiguous()
        for name, tensor in network.state_dict().items()
    }
