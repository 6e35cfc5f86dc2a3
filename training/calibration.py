"""Is the network as often right as it is sure?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Return the expected calibration error over BINS bins of equal width, 0 to 1.

    The mean distance between what was claimed and what held, weighted by how many
    fall in each bin (Naeini et al., 2015; Guo et al., 2017).
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [
        abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).sum()
        for b in np.unique(bins)
    ]
    return float(sum(gaps) / len(right))
