"""The front door: a drawing in, a digit and how sure the network is out, or why there is none."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from digits import model
from digits.preprocessing import Unreadable, read

_network: model.DigitNet | None = None
_loading = threading.Lock()


@dataclass(frozen=True)
class Recognition:
    """What the network makes of one drawing.

    `digit` is the likeliest of 0-9, `confidence` its probability, and
    `probabilities` those of all ten digits in order, 0 to 1, adding up to 1.
    """

    digit: int
    confidence: float
    probabilities: tuple[float, ...]


def load(weights: Path = model.WEIGHTS) -> model.DigitNet:
    """Return the network, loaded once however many threads ask for it at once.

    Other `weights` count if they are what is asked for first.
    """
    global _network  # noqa: PLW0603 - one a process, made behind a lock
    with _loading:
        if _network is None:
            # One small image is faster on one core, and visitors share the cores.
            torch.set_num_threads(1)
            _network = model.load(weights)
        return _network


def recognise(rgba: NDArray[np.uint8]) -> Recognition | Unreadable:
    """Return the digit in a drawing, or why there is none.

    `rgba` is a uint8 array (H, W, 4) of any size, white ink on black or on a
    transparent background. Raises TypeError for anything but a uint8 array, and
    ValueError for a wrong shape.
    """
    image = read(rgba)
    if isinstance(image, Unreadable):
        return image
    with torch.inference_mode():
        likely = model.probabilities(load(), torch.from_numpy(image)[None, None])
    probabilities = tuple(likely[0].tolist())
    confidence = max(probabilities)
    return Recognition(probabilities.index(confidence), confidence, probabilities)
