"""The network: 28 x 28 grey levels in, ten scores out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

WEIGHTS = Path(__file__).with_name("weights.pt")
METRICS = Path(__file__).with_name("metrics.json")

# Mean and standard deviation of MNIST's 60,000 training images, pixels in 0..1.
MNIST_MEAN = 0.1307
MNIST_STD = 0.3081

# An answer should not hang on a pixel: the network looks at an image where it is, and moved by
# one pixel (down, right) to each of the eight sides.
VIEWS = tuple((y, x) for y in (0, 1, -1) for x in (0, 1, -1))


def _block(channels_in: int, channels_out: int, size: int) -> nn.Sequential:
    """Convolution, halving, normalisation: the side of the image halves, rounded down."""
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, size, padding=size // 2, bias=False),
        # Pooling first leaves the later layers a quarter of the work.
        nn.MaxPool2d(2),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(),
    )


class DigitNet(nn.Module):
    """Four convolutions and one linear layer, about 144,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _block(1, 24, 5),  # 28 -> 14
            _block(24, 48, 3),  # 14 -> 7
            _block(48, 96, 3),  # 7 -> 3
            nn.Conv2d(96, 96, 3, padding=1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU(),
        )
        self.classify = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(96 * 3 * 3, 10))

    def forward(self, images: Tensor) -> Tensor:
        """Return the scores (N, 10), before softmax, of images (N, 1, 28, 28) in 0..1."""
        scores: Tensor = self.classify(self.features((images - MNIST_MEAN) / MNIST_STD))
        return scores


def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Return how likely each digit is for images (N, 1, 28, 28) in 0..1: (N, 10), 0 to 1.

    The mean of what the network makes of VIEWS ("test-time augmentation", as by Krizhevsky
    et al., 2012).
    """
    side = images.shape[-1]
    framed = functional.pad(images, (1, 1, 1, 1))
    views = [framed[:, :, 1 - y : 1 - y + side, 1 - x : 1 - x + side] for y, x in VIEWS]
    scores: Tensor = network(torch.cat(views))
    return scores.double().softmax(dim=1).view(len(VIEWS), len(images), -1).mean(dim=0)


def load(path: Path = WEIGHTS) -> DigitNet:
    """Return the network with the weights in `path`, ready to predict.

    Raises FileNotFoundError, saying how to make them, if there are none.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There are no weights at {path}. Make them:  make train")
    network = DigitNet()
    # weights_only: tensors and nothing else, so the file cannot run code.
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    # Channels last: the same numbers in an order that a CPU gets through faster.
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval()
