"""The droplet in memory behaves as the real one, as far as the package relies on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from droplet.docker import Stack
from droplet.host import Host
from tests.droplet import fakes
from tests.droplet.contract import Contract
from tests.droplet.world import POSTGRES, FakeImage, Process, Session, World


@dataclass
class InMemory:
    """A droplet in memory for the contract."""

    world: World
    host: Host
    ports: tuple[int, int] = (8501, 8502)

    def image(self, kind: str) -> str:
        image = FakeImage(self.world.new_id("a"), kind)
        self.world.images[image.id] = image
        return image.id

    def stack(self, image: str = "", port: int = 0) -> Stack:
        return Stack(image, port)

    def insert(self, container: str) -> bool:
        data = self.host.docker.server(container)  # type: ignore[attr-defined]
        if data.read_only:
            return False
        self.world.presses += 1
        self.world.store(data, self.world.presses)
        return True

    def connect(self, container: str) -> Callable[[], bool]:
        data = self.host.docker.server(container)  # type: ignore[attr-defined]
        box = next(box for box in self.world.boxes.values() if container in (box.id, box.name))
        box.session = session = Session(data, data.read_only)
        return lambda: box.session is session and self.insert(container)


class TestInMemory(Contract):
    """The contract, for the droplet in memory."""

    @pytest.fixture
    def rig(self) -> InMemory:
        world = World()
        host = fakes.host(Process(world))
        host.docker.pull(POSTGRES, None, lambda _megabytes: None)
        return InMemory(world, host)
