"""A double of torch_npu: says that there is an NPU, whose memory is the host's."""

import torch
from pretended import Device, memory

torch.utils.rename_privateuse1_backend("npu")
npu = Device("npu")
for _class, _method, _replacement in memory(torch, "npu"):
    setattr(_class, _method, _replacement)
