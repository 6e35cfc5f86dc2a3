"""Train the network on MNIST: `make train`.

Downloads MNIST (11 MB, once) into ./data, or reads it from $MNIST_ROOT/MNIST/raw.
Then, in this order: 5,000 of the 60,000 training digits are put aside; the other
55,000, some drawn ones (handwriting.py) and some drawings that are no digit
(scribbles.py) are learnt from for a fixed number of epochs; and the result is measured
once on the digits put aside and once on MNIST's own 10,000 test digits. Nothing is
chosen by looking at the test digits, so their number is an honest one.

Writes weights.pt (what the app loads) and metrics.json (what the README quotes).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from digits import model
from digits.model import METRICS, WEIGHTS, DigitNet
from training import handwriting, mnist, scribbles
from training.calibration import calibration_error

EPOCHS = 12
BATCH = 128
VALIDATION = 5_000
PEAK_LEARNING_RATE = 0.006
BEND = 0.7  # pixels, standard deviation
DRAWN = 16_000  # digits drawn for what MNIST lacks
SCRIBBLES = 5_000  # drawings that are no digit, to learn doubt from


def uniform(count: int, low: float, high: float) -> Tensor:
    """Return `count` random numbers between `low` and `high`."""
    return torch.rand(count) * (high - low) + low


def warp(images: Tensor) -> Tensor:
    """Return the images, each turned, scaled, slanted, moved and bent a little at random.

    Every epoch then shows the network digits that it has not seen before.
    """
    count = len(images)
    angle, slant = uniform(count, -0.2, 0.2), uniform(count, -0.25, 0.25)
    wide, high = uniform(count, 0.88, 1.14), uniform(count, 0.88, 1.14)
    # One 2 x 3 matrix an image: where in the old image each new pixel comes from.
    # Coordinates run from -1 to 1, so 2/28 is one pixel.
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = torch.cos(angle) * wide
    matrix[:, 0, 1] = -torch.sin(angle) * high + slant
    matrix[:, 1, 0] = torch.sin(angle) * wide
    matrix[:, 1, 1] = torch.cos(angle) * high
    matrix[:, :, 2] = uniform(count * 2, -1.5 * 2 / 28, 1.5 * 2 / 28).view(count, 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    # Bent: a few random pulls, smoothed over the image (after Simard et al., 2003).
    pulls = torch.randn(count, 2, 5, 5) * BEND * 2 / 28
    bent = functional.interpolate(pulls, images.shape[2:], mode="bicubic", align_corners=False)
    return functional.grid_sample(images, grid + bent.permute(0, 2, 3, 1), align_corners=False)


def repen(images: Tensor) -> Tensor:
    """Return the images as other pens would have drawn them: thinner, thicker, sharper.

    The brightest neighbour of each pixel makes strokes thicker, the darkest thinner;
    an image goes part of the way to either.
    """
    count = len(images)
    thicker = functional.max_pool2d(images, 3, stride=1, padding=1)
    thinner = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    towards = uniform(count, -0.55, 0.8).view(count, 1, 1, 1)
    changed = torch.where(
        towards > 0, images.lerp(thicker, towards.abs()), images.lerp(thinner, towards.abs())
    )
    contrast = uniform(count, 1, 1.7).view(count, 1, 1, 1)
    return ((changed - 0.5) * contrast + 0.5).clamp(0, 1) * (changed > 0)


class Progress:
    """One line that rewrites itself on a terminal; a line every 15 seconds elsewhere."""

    def __init__(self, total_steps: int) -> None:
        self.total, self.done = total_steps, 0
        self.started = self.shown = time.monotonic()

    def step(self, text: str) -> None:
        """Count one step, and show `text` with the time left if it is time to show."""
        self.done += 1
        now = time.monotonic()
        if now - self.shown < (0.2 if sys.stdout.isatty() else 15):
            return
        self.shown = now
        left = (now - self.started) / self.done * (self.total - self.done)
        self.show(f"{text}   {self.done / self.total:4.0%}, about {left:3.0f} s left", last=False)

    def show(self, text: str, last: bool = True) -> None:
        """Print a line; on a terminal one that is not the `last` will be overwritten."""
        if sys.stdout.isatty():
            print(f"\r\033[K{text}", end="\n" if last else "", flush=True)
        else:
            print(text, flush=True)


def train(images: Tensor, targets: Tensor, epochs: int) -> DigitNet:
    """Return a network that has seen every image, warped anew each time, `epochs` times.

    `targets` (N, 10): how likely each digit is for each image.
    """
    # Channels last: the same numbers in an order that a CPU gets through twice as fast.
    network = DigitNet()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = math.ceil(len(images) / BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.02)
    # The learning rate climbs to its peak, then falls to almost nothing: a schedule
    # fixed beforehand, so there is no best epoch to pick.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_LEARNING_RATE, total_steps=epochs * steps, pct_start=0.2
    )
    progress = Progress(epochs * steps)
    for epoch in range(1, epochs + 1):
        network.train()
        order = torch.randperm(len(images))
        total = 0.0
        for step in range(steps):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            warped = repen(warp(images[chosen])).contiguous(memory_format=torch.channels_last)
            loss = functional.cross_entropy(network(warped), targets[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.item()
            progress.step(f"epoch {epoch}/{epochs}   loss {total / (step + 1):.4f}")
        progress.show(f"epoch {epoch}/{epochs}   loss {total / steps:.4f}   done")
    network.eval()
    return network


@torch.inference_mode()
def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Return how likely the app finds each digit for each image: (N, 10), 0 to 1."""
    return torch.cat([model.probabilities(network, some) for some in torch.split(images, 50)])


def accuracy(probabilities: Tensor, labels: Tensor) -> float:
    """Return the share of images that the network gets right, from 0 to 1."""
    return float((probabilities.argmax(dim=1) == labels).double().mean())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make train", description="Train the digit network.")
    parser.add_argument("--seed", type=int, default=1, help="start of all randomness (default 1)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    parser.add_argument("--limit", type=int, help="learn from only so many digits, for a trial")
    parser.add_argument(
        "--out", type=Path, default=WEIGHTS.parent, help="folder to write to (default: the app's)"
    )
    return parser.parse_args()


def with_drawn_ones(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor, int, int]:
    """Return MNIST's digits with drawn ones and scribbles, what each is, and how many of both."""
    # A trial's few digits get the same share of drawn ones.
    drawn, scribbled = (len(images) * count // 55_000 for count in (DRAWN, SCRIBBLES))
    more_images, more_labels = handwriting.digits(drawn, seed)
    no_digits = scribbles.images(scribbled, seed)
    learnt = torch.cat(
        [images, torch.from_numpy(np.concatenate([more_images, no_digits]))[:, None]]
    )
    targets = torch.cat(
        [
            functional.one_hot(torch.cat([labels, torch.from_numpy(more_labels)]), 10).float(),
            torch.full((scribbled, 10), 0.1),  # no digit is likelier than another
        ]
    )
    return learnt, targets, drawn, scribbled


def measured(network: nn.Module, held_images: Tensor, held_labels: Tensor) -> dict[str, float]:
    """Return how often the network is right, on MNIST's test digits and those put aside."""
    test_images, test_labels = mnist.digits(train=False)
    test = probabilities(network, test_images)
    return {
        "test_accuracy": accuracy(test, test_labels),
        "test_calibration_error": calibration_error(
            test.amax(dim=1).numpy(), (test.argmax(dim=1) == test_labels).numpy()
        ),
        "validation_accuracy": accuracy(probabilities(network, held_images), held_labels),
    }


def about(weights: Path, network: nn.Module) -> dict[str, str | int | None]:
    """Return what tells these weights from others, and what they were made with."""
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "weights_bytes": weights.stat().st_size,
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """Train, measure, and write the weights and the metrics."""
    options = _options()
    torch.manual_seed(options.seed)
    images, labels = mnist.digits(train=True)
    # MNIST's training digits are in mixed order; the last ones are as good as any.
    held_images, held_labels = images[-VALIDATION:], labels[-VALIDATION:]
    images, labels = images[:-VALIDATION][: options.limit], labels[:-VALIDATION][: options.limit]
    learnt, targets, drawn, scribbled = with_drawn_ones(images, labels, options.seed)
    print(
        f"Training on {len(images):,} digits of MNIST, {drawn:,} drawn ones and {scribbled:,}"
        f" scribbles, with {torch.get_num_threads()} threads.",
        flush=True,
    )
    started, computed = time.monotonic(), time.process_time()
    network = train(learnt, targets, options.epochs)
    seconds, core_seconds = time.monotonic() - started, time.process_time() - computed

    options.out.mkdir(parents=True, exist_ok=True)
    weights = options.out / WEIGHTS.name
    torch.save(network.state_dict(), weights)
    result = measured(network, held_images, held_labels)
    metrics = result | {
        "training_seconds": round(seconds),
        "training_core_seconds": round(core_seconds),  # where others share the cores, fewer
        "mnist_digits": len(images),
        "drawn_digits": drawn,
        "scribbles": scribbled,
        "epochs": options.epochs,
        "seed": options.seed,
    }
    metrics_file = options.out / METRICS.name
    metrics_file.write_text(json.dumps(metrics | about(weights, network), indent=2) + "\n")
    print(
        f"{result['test_accuracy']:.2%} of the 10,000 test digits are right"
        f" ({result['validation_accuracy']:.2%} of the {VALIDATION:,} put aside),"
        f" after {seconds:.0f} s.\nWrote {weights} and {METRICS.name}."
    )


if __name__ == "__main__":
    main()
