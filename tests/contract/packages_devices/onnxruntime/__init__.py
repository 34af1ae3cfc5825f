"""A double of onnxruntime-gpu and onnxruntime-cann: the onnxruntime of this Python, with both their providers."""

from pathlib import Path

from pretended import providers, real

_module = real("onnxruntime", Path(__file__).parents[1])
for _name, _replacement in providers(_module).items():
    setattr(_module, _name, _replacement)
