"""MNIST, the digits that the network learns from. `python -m training.mnist` fetches it (11 MB)."""

from __future__ import annotations

import os
import sys

import torchvision
from torch import Tensor


def digits(train: bool) -> tuple[Tensor, Tensor]:
    """Return MNIST's images, uint8 (N, 28, 28), and labels, int (N,).

    They are read from $MNIST_ROOT/MNIST/raw, or from ./data, where they are fetched to if need be.
    """
    given = os.environ.get("MNIST_ROOT")
    try:
        data = torchvision.datasets.MNIST(given or "data", train=train, download=not given)
    except (RuntimeError, OSError) as error:
        fix = "Check the network and run it again, or set MNIST_ROOT to where MNIST/raw is."
        if given:
            fix = f"MNIST_ROOT is {given}; the four files belong in {given}/MNIST/raw."
        sys.exit(f"MNIST could not be read: {error}\n{fix}")
    return data.data, data.targets


if __name__ == "__main__":
    for part in (True, False):
        digits(train=part)
