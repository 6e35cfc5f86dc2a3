"""What the network saw, and how the ten digits compare: HTML for the curious."""

from __future__ import annotations

import base64
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from digits.preprocessing import to_mnist
from digits.recogniser import Recognition


def percent(probability: float) -> str:
    """Return it as the page shows it: 100.0 % would promise what nobody can."""
    return f"{100 * min(probability, 0.999):.1f} %"


def explanation(rgba: NDArray[np.uint8], answer: Recognition) -> str:
    """Return the 28 x 28 picture that was recognised, and a bar for each digit."""
    image = to_mnist(rgba)
    if image is None:
        raise ValueError("a drawing without ink has no answer to explain")
    png = BytesIO()
    Image.fromarray((image * 255).astype(np.uint8)).save(png, "PNG")
    data = base64.b64encode(png.getvalue()).decode()
    bars = "".join(
        f'<li><b>{digit}</b> <i style="--share: {share:.3f}"></i>'
        f" <span>{percent(share)}</span></li>"
        for digit, share in enumerate(answer.probabilities)
    )
    return (
        f'<img class="seen" alt="Your drawing, 28 by 28 pixels" src="data:image/png;base64,{data}">'
        f'<ul class="bars">{bars}</ul>'
    )
