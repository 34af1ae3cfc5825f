"""The page's colours, once for light and once for dark. Charts are drawn in the light ones.

An inline SVG carries literal colours, and the page maps each light neutral to its CSS variable (`page.css.j2`). Series
colours are of middle lightness and serve both.
"""

from crnn.inference.step_timer import STEPS as MEASURED

NEUTRALS = {
    # name: (light, dark)
    "ink": ("#1b2026", "#e4e7eb"),
    "muted": ("#56606b", "#a3adb8"),
    "rule": ("#d5dae0", "#353c45"),
    "edge": ("#8a949f", "#6b7580"),  # of what can be pressed or typed into: 3:1 against the paper
    "grid": ("#e8ebef", "#272d34"),
    "paper": ("#ffffff", "#14181d"),
    "panel": ("#f5f7f9", "#1b2027"),
    "accent": ("#1f66b0", "#74b0ee"),
    "good": ("#1b7a48", "#5cc48d"),
    "bad": ("#b3322b", "#f08a80"),
    "mark": ("#fbe3a6", "#5a4712"),
}

SERIES = ("#2f78c4", "#d9652b", "#1f9488", "#8f63c0", "#b8860b", "#c44e77", "#7c8794", "#5d8a2b")

_STEP_COLOURS = (
    *("#7c8794", "#2f78c4", "#6ca6dc", "#1f9488", "#c9a02a"),  # read, decode, resize, collate, transfer in
    *("#d9652b", "#e09a73", "#8f63c0", "#a9b1ba"),  # execute, transfer out, CTC, other
)
STEPS = dict(zip((*MEASURED, "other"), _STEP_COLOURS, strict=True))


def light(name: str) -> str:
    """The colour a chart uses for the neutral `name`."""
    return NEUTRALS[name][0]
