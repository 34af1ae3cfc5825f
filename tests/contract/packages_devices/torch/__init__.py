"""A double of a torch with CUDA: the torch of this Python, whose `torch.cuda` says that there is a GPU."""

from pathlib import Path

from pretended import Device, memory, real

_module = real("torch", Path(__file__).parents[1])
_module.cuda = Device("cuda", rest=_module.cuda)
for _class, _method, _replacement in memory(_module, "cuda"):
    setattr(_class, _method, _replacement)
