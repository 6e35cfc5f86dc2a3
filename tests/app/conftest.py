"""MNIST, and a PostgreSQL of the tests' own."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from digits.strokes import CANVAS
from tests.needs import need_mnist
from tests.postgres import Database


def _idx(name: str, header: int) -> NDArray[np.uint8]:
    path = need_mnist() / "MNIST" / "raw" / name
    packed = path.with_name(path.name + ".gz")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    return np.frombuffer(content, dtype=np.uint8, offset=header)


def mnist_test_images() -> NDArray[np.uint8]:
    """MNIST's 10,000 test digits: (N, 28, 28)."""
    return _idx("t10k-images-idx3-ubyte", 16).reshape(-1, 28, 28)


@pytest.fixture(scope="session")
def mnist_test() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """MNIST's 10,000 test digits: images (N, 28, 28) and labels (N,)."""
    return mnist_test_images(), _idx("t10k-labels-idx1-ubyte", 8)


@pytest.fixture(scope="module")
def shared_database(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Database]:
    server = Database(tmp_path_factory.mktemp("pg") / "data")
    yield server
    server.remove()


@pytest.fixture
def database(shared_database: Database) -> Database:
    """A running PostgreSQL without the predictions table."""
    shared_database.start()
    shared_database.query("DROP TABLE IF EXISTS predictions")
    return shared_database


@pytest.fixture(scope="session")
def on_canvas() -> Callable[..., NDArray[np.uint8]]:
    """A function that puts grey levels (H, W) on a black canvas at a place, as RGBA."""

    def put(
        digit: NDArray[np.uint8], side: int = CANVAS, top: int = 0, left: int = 0
    ) -> NDArray[np.uint8]:
        canvas = np.zeros((side, side, 4), dtype=np.uint8)
        canvas[:, :, 3] = 255
        height, width = digit.shape
        canvas[top : top + height, left : left + width, :3] = digit[:, :, None]
        return canvas

    return put
