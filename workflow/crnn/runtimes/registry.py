"""Finding a runtime by the name that a deployment gives it. Imports facts, never a toolchain."""

import importlib
import pkgutil
from functools import cache

from crnn import runtimes
from crnn.core.errors import UserError
from crnn.runtimes.runtime import Runtime


@cache
def known_runtimes() -> dict[str, Runtime]:
    """Name → runtime, of the `RUNTIMES` of every folder, whether or not its toolchain is installed."""
    folders = [found.name for found in pkgutil.iter_modules(runtimes.__path__) if found.ispkg]
    modules = [importlib.import_module(f"{runtimes.__name__}.{name}") for name in folders]
    return {runtime.name: runtime for module in modules for runtime in module.RUNTIMES}


def find_runtime(name: str) -> Runtime:
    """Raises UserError where no folder has a runtime of this name."""
    if name not in known_runtimes():
        raise UserError(f"runtime {name!r}: expected one of {', '.join(known_runtimes())}")
    return known_runtimes()[name]
