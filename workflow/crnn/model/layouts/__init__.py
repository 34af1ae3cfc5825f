"""The layouts in which people save the weights of a CRNN: one module for each family of code that trains them.

A module says by which keys its family is recognised and how its state dict becomes that of `crnn.model.network.CRNN`,
exactly. To add one, write a module with a `Family` and name it in FAMILIES; docs/checkpoints.md has its row.
"""

from crnn.model.layouts import courao, dtrb, gitycc, mmocr, parseq, separate, shi
from crnn.model.layouts.family import Family

FAMILIES: tuple[Family, ...] = (
    shi.FAMILY,
    separate.FAMILY,
    dtrb.FAMILY,
    mmocr.FAMILY,
    parseq.FAMILY,
    gitycc.FAMILY,
    courao.FAMILY,
)
LAYOUTS = tuple(family.name for family in FAMILIES)
