"""The committed weights, through the front door."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from digits import model, recogniser
from digits.recogniser import recognise

Digits = tuple[NDArray[np.uint8], NDArray[np.uint8]]
OnCanvas = Callable[..., NDArray[np.uint8]]


def test_an_empty_canvas_is_not_a_digit() -> None:
    assert recognise(np.zeros((280, 280, 4), dtype=np.uint8)) is None


def test_wrong_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="uint8"):
        recognise(np.zeros((28, 28, 4)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shape"):
        recognise(np.zeros((28, 28, 3), dtype=np.uint8))


def test_probabilities_add_up_and_the_digit_is_the_likeliest(
    mnist_test: Digits, on_canvas: OnCanvas
) -> None:
    for image in mnist_test[0][:20]:
        result = recognise(on_canvas(image, side=28))
        assert result is not None
        assert len(result.probabilities) == 10
        assert sum(result.probabilities) == pytest.approx(1)
        assert result.confidence == max(result.probabilities)
        assert result.probabilities[result.digit] == result.confidence


@pytest.mark.parametrize(("size", "place"), [(28, (0, 0)), (120, (10, 150)), (250, (15, 15))])
def test_test_digits_drawn_on_the_canvas_are_recognised(
    mnist_test: Digits, on_canvas: OnCanvas, size: int, place: tuple[int, int]
) -> None:
    right, count = 0, 1000
    for image, label in zip(mnist_test[0][:count], mnist_test[1][:count], strict=True):
        drawn = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
        result = recognise(on_canvas(drawn, top=place[0], left=place[1]))
        right += result is not None and result.digit == label
    assert right / count >= 0.985


def test_the_metrics_file_is_about_these_weights(mnist_test: Digits) -> None:
    metrics = json.loads(model.METRICS.read_text())
    assert metrics["weights_sha256"] == hashlib.sha256(model.WEIGHTS.read_bytes()).hexdigest()
    assert model.WEIGHTS.stat().st_size < 2_000_000
    network = model.load()
    assert metrics["parameters"] == sum(p.numel() for p in network.parameters())
    images = torch.from_numpy(mnist_test[0].astype(np.float32) / 255).unsqueeze(1)
    with torch.inference_mode():
        answers = torch.cat([network(some).argmax(dim=1) for some in torch.split(images, 1000)])
    accuracy = float((answers.numpy() == mnist_test[1]).mean())
    # Another build of torch may round one borderline digit the other way.
    assert accuracy == pytest.approx(metrics["test_accuracy"], abs=0.0002)
    assert accuracy >= 0.993


def test_weights_are_loaded_once_by_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[model.DigitNet] = []
    load = model.load

    def counted() -> model.DigitNet:
        loads.append(load())
        return loads[-1]

    monkeypatch.setattr(recogniser, "_network", None)
    monkeypatch.setattr(model, "load", counted)
    threads = [threading.Thread(target=recogniser.load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1


def test_missing_weights_say_how_to_make_them() -> None:
    with pytest.raises(FileNotFoundError, match="make train"):
        model.load(model.WEIGHTS.with_name("nothing.pt"))
