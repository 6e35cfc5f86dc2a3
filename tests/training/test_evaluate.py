"""Pen strokes on the canvas, digits drawn for training, and the report on both."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import recogniser
from digits import model, strokes
from training import handwriting, scribbles
from training.evaluate import calibration_error

BAR = [[[250, 100], [250, 400]]]  # a 1, in a square of 500


def test_strokes_are_drawn_where_they_were_written_as_wide_as_the_pen() -> None:
    canvas = strokes.draw(strokes.placed(BAR, 500), pen=18)
    assert canvas.shape == (280, 280, 4)
    rows, columns = np.nonzero(canvas[:, :, 0] > 127)
    # 500 units are 280 pixels; the round ends add half a pen each.
    assert (rows.min(), rows.max()) == pytest.approx((56 - 9, 224 + 9), abs=1.5)
    assert (columns.min(), columns.max()) == pytest.approx((140 - 9, 140 + 9), abs=1.5)


def test_fitted_strokes_are_centred_and_their_longer_side_is_the_share() -> None:
    (line,) = strokes.fitted([[[7, 3], [9, 13]]], 0.6)
    assert np.ptp(line[:, 1]) == pytest.approx(0.6 * 280)
    assert (line.min(axis=0) + line.max(axis=0)) / 2 == pytest.approx([140, 140])


def test_a_single_point_is_a_dot_of_the_pen() -> None:
    for points in (strokes.placed([[[50, 50]]], 100), strokes.fitted([[[50, 50]]], 0.6)):
        canvas = strokes.draw(points, pen=20)
        assert (canvas[:, :, 0] > 127).sum() == pytest.approx(np.pi * 100, rel=0.1)


def test_drawn_digits_differ_and_the_seed_repeats_them() -> None:
    images, labels = handwriting.digits(300, seed=1)
    assert set(labels.tolist()) == set(range(10))
    assert images.shape == (300, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    assert len({image.tobytes() for image in images}) == 300
    np.testing.assert_array_equal(images, handwriting.digits(300, seed=1)[0])


def test_scribbles_differ_and_the_seed_repeats_them() -> None:
    images = scribbles.images(300, seed=1)
    assert images.shape == (300, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    assert len({image.tobytes() for image in images}) == 300
    np.testing.assert_array_equal(images, scribbles.images(300, seed=1))


def test_calibration_error_is_what_confidence_claims_and_does_not_hold() -> None:
    right = np.array([True] * 8 + [False] * 2)
    assert calibration_error(np.full(10, 0.8), right) == pytest.approx(0)
    assert calibration_error(np.full(10, 1.0), right) == pytest.approx(0.2)


def test_the_network_is_rarely_sure_of_what_is_no_digit() -> None:
    scribbles, letters = (share for _, share in recogniser.on_no_digits(model.WEIGHTS))
    assert scribbles < 0.02
    assert letters < 0.15


def report(tmp_path: Path, content: object) -> subprocess.CompletedProcess[str]:
    (tmp_path / "strokes.json").write_text(json.dumps(content))
    return subprocess.run(
        [sys.executable, "-m", "training.evaluate", "strokes.json"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_report_counts_what_is_right(tmp_path: Path) -> None:
    one = {"label": 1, "strokes": BAR, "box": 500}
    done = report(tmp_path, [one, one, one, one | {"label": 8}])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" 75.00%") == 7  # two pens as placed, five fitted
    assert "as placed, pen 12 px" in done.stdout


@pytest.mark.parametrize("content", [{}, [], [{"label": 11, "strokes": BAR}], [{"label": 1}]])
def test_a_file_without_strokes_is_an_error(tmp_path: Path, content: object) -> None:
    done = report(tmp_path, content)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "holds no strokes" in done.stderr


def test_without_strokes_it_says_how_to_name_them() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training.evaluate"],
        env={"PATH": "/usr/bin:/bin", "STROKES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "make evaluate needs strokes to draw." in done.stderr
    assert "make evaluate STROKES=file.json" in done.stderr
