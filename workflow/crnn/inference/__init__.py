"""Words through a model: the scheduler, its sources, predictions, both clocks, the costs of single calls.

An application takes `from crnn.inference import Recogniser`.
"""

from pkgutil import resolve_name
from typing import Any

FOR_APPLICATIONS = ("Reading", "Recogniser")


def __getattr__(name: str) -> Any:
    # Found by name and not by an import statement: the stages of this room do not run again for what they do not use.
    if name in FOR_APPLICATIONS:
        return resolve_name(f"crnn.inference.recogniser:{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
