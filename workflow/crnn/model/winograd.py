"""The numbers of Winograd's minimal filtering F(4, 3).

Four neighbouring outputs of a filter of three taps are Aᵀ[(G g) · (Bᵀ d)] of the taps g and six inputs d: 6 products
instead of 12 (Winograd, Arithmetic Complexity of Computations, 1980; Lavin and Gray, arXiv:1509.09308, section 4.3). In
both directions, that is F(4 × 4, 3 × 3), 36 instead of 144. The result is the same up to rounding, which sums of fives
and eights make a few times larger: single precision has room for that, half precision does not.
"""

import numpy as np

OUTPUTS = 4  # of a tile
INPUTS = OUTPUTS + 2

FILTER = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24  # G
# Bᵀ
INPUT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ]
)
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])  # Aᵀ
