"""Which shapes a deployment will ask for: what a runtime that compiles shapes builds for.

Not here: what a device makes of them (`crnn.runtimes.ascend.shapes`, `crnn.runtimes.tensorrt.profiles`).
"""

from typing import Any

from crnn.data.widths import width_rule


def asked_widths(settings: dict[str, Any]) -> tuple[int, ...]:
    """Every width, ascending, that the width rule of a deployment's `widths` entry gives a word."""
    return tuple(width_rule({key: value for key, value in settings.items() if key != "interpolation"}).possible())


def awaits_plan(options: dict[str, Any]) -> bool:
    """Whether the shapes follow from a plan that is not made yet, as when a runtime is asked before a run."""
    return "plan" not in options and options.get("width_rule", {}).get("rule") == "planned"
