"""Which widths a deployment will ask for: what a target that compiles shapes plans them from.

Not here: what a device makes of them (`crnn.runtimes.ascend.shapes`, `crnn.runtimes.tensorrt.profiles`).
"""

from typing import Any

from crnn.data.widths import Aspect, Buckets, Fixed, Recipe, width_rule

RECIPE_WIDTHS = (32, 320)  # what `crnn.data.widths.Recipe` holds a width between


def asked_widths(settings: dict[str, Any]) -> tuple[int, ...]:
    """Every width, ascending, that the width rule of a deployment's `widths` entry gives a word."""
    widths: tuple[int, ...]
    match width_rule({key: value for key, value in settings.items() if key != "interpolation"}):
        case Fixed(width=width):
            widths = (width,)
        case Aspect(step=step, min=low, max=high):
            widths = tuple(range(low, high + 1, step))
        case Buckets(widths=listed):
            widths = listed
        case Recipe():
            widths = tuple(range(RECIPE_WIDTHS[0], RECIPE_WIDTHS[1] + 1))
    return widths


def awaits_plan(options: dict[str, Any]) -> bool:
    """Whether the shapes follow from a plan that is not made yet, as when a target is asked before a run."""
    return "plan" not in options and options.get("width_rule", {}).get("rule") == "planned"
