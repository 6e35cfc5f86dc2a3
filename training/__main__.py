"""Train the network on MNIST: `make train`.

The network learns for a fixed number of epochs from MNIST's digits (mnist.py), drawn digits
(handwriting.py) and drawings that are no digit (scribbles.py). Then MNIST's 10,000 test digits are
recognised, as a visitor's drawings are. Nothing here is chosen by looking at them.

Writes weights.pt (what the app loads) and metrics.json (what the README quotes).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from digits.model import METRICS, WEIGHTS, DigitNet
from training import evaluate, handwriting, mnist, scribbles

EPOCHS = 16
BATCH = 128
LEARNT = 55_000  # of MNIST's 60,000 training digits; the others are for comparing trials
PEAK_LEARNING_RATE = 0.006
BEND = 0.7  # pixels, standard deviation
DRAWN = 18_500  # digits drawn for what MNIST lacks
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

    Each goes part of the way to the brightest or to the darkest neighbour of each pixel.
    """
    count = len(images)
    thicker = functional.max_pool2d(images, 3, stride=1, padding=1)
    thinner = -functional.max_pool2d(-images, 3, stride=1, padding=1)
    towards = uniform(count, -0.55, 0.8).view(count, 1, 1, 1)
    changed = images.lerp(torch.where(towards > 0, thicker, thinner), towards.abs())
    contrast = uniform(count, 1, 1.7).view(count, 1, 1, 1)
    return ((changed - 0.5) * contrast + 0.5).clamp(0, 1) * (changed > 0)


def train(images: Tensor, targets: Tensor, epochs: int) -> DigitNet:
    """Return a network that has seen every image, warped in another way each time, `epochs` times.

    `targets` (N, 10): how likely each digit is for each image.
    """
    # Channels last: the same numbers in an order that a CPU gets through twice as fast.
    network = DigitNet()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    steps = math.ceil(len(images) / BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.02)
    # The learning rate climbs to its peak, then falls to almost nothing: no best epoch to pick.
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_LEARNING_RATE, total_steps=epochs * steps, pct_start=0.2
    )
    network.train()
    for epoch in range(1, epochs + 1):
        total = 0.0
        for chosen in torch.split(torch.randperm(len(images)), BATCH):
            warped = repen(warp(images[chosen]))
            scores = network(warped.contiguous(memory_format=torch.channels_last))
            loss = functional.cross_entropy(scores, targets[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch}/{epochs}   loss {total / steps:.4f}", flush=True)
    return network.eval()


def learnt(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Return all images to learn from, (N, 1, 28, 28) in 0..1, and how likely each digit is."""
    # A trial's few digits get the same share of drawn ones.
    drawn, scribbled = (len(images) * count // LEARNT for count in (DRAWN, SCRIBBLES))
    more, more_labels = handwriting.digits(drawn, seed)
    no_digits = scribbles.images(scribbled, seed)
    known = functional.one_hot(torch.cat([labels, torch.from_numpy(more_labels)]), 10).float()
    unknown = torch.full((scribbled, 10), 0.1)  # no digit is likelier than another
    others = torch.from_numpy(np.concatenate([more, no_digits]))
    return torch.cat([images / 255, others]).unsqueeze(1), torch.cat([known, unknown])


def main() -> None:
    """Train, measure, and write the weights and the metrics."""
    parser = argparse.ArgumentParser(prog="make train", description="Train the digit network.")
    parser.add_argument("--seed", type=int, default=1, help="start of all randomness (default 1)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help=f"default {EPOCHS}")
    parser.add_argument("--limit", type=int, default=LEARNT, help="learn from fewer, for a trial")
    parser.add_argument("--out", type=Path, default=WEIGHTS.parent, help="folder to write to")
    options = parser.parse_args()
    started, computed = time.monotonic(), time.process_time()
    torch.manual_seed(options.seed)
    # MNIST's training digits are in mixed order; the first ones are as good as any.
    images, labels = (part[: options.limit] for part in mnist.digits(train=True))
    learnt_images, targets = learnt(images, labels, options.seed)
    print(f"Training on {len(learnt_images):,} images.", flush=True)
    network = train(learnt_images, targets, options.epochs)
    seconds, core_seconds = time.monotonic() - started, time.process_time() - computed

    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), weights := options.out / WEIGHTS.name)
    images, labels = mnist.digits(train=False)
    answers = evaluate.answers(evaluate.enlarged, images.numpy(), weights)
    right, error = evaluate.judged(answers, labels.numpy())
    metrics = {
        "test_accuracy": right,
        "test_calibration_error": error,
        "training_seconds": round(seconds),
        "training_core_seconds": round(core_seconds),  # where others share the cores, fewer
        "images": len(learnt_images),
        "epochs": options.epochs,
        "seed": options.seed,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "weights_bytes": weights.stat().st_size,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }
    (options.out / METRICS.name).write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"{right:.2%} of the 10,000 test digits are right, after {seconds:.0f} s. See {weights}.")


if __name__ == "__main__":
    main()
