"""The cloud behind the API: what is known of it, and the machines that it runs."""

from __future__ import annotations

import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .clock import log, now
from .errors import not_found, server_error
from .firewall_state import inbound_rules
from .keeper import Keeper
from .project_state import add_default_project
from .reserved_ip_state import leave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .driver import Driver
    from .engine import Engines
    from .store import State, Store

_NEVER = object()


class Cloud:
    """Changes droplets in the background, one change a droplet at a time."""

    def __init__(self, store: Store, driver: Driver, engines: Engines) -> None:
        self.store = store
        self.driver = driver
        self._work = ThreadPoolExecutor(max_workers=4, thread_name_prefix="droplet")
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        # The rules each droplet has, so that only changes reach the driver.
        self._applied: dict[int, Any] = {}
        with store.change() as state:
            add_default_project(state)
        self._resume()
        self._keeper = Keeper(store, engines, self.apply_firewalls)

    def close(self) -> None:
        """Finish what is under way."""
        self._keeper.close()
        self._work.shutdown(wait=True)

    def _resume(self) -> None:
        """Pick up what an earlier run of the server left half-done."""
        with self.store.change() as state:
            for action in state["actions"].values():
                if action["status"] == "in-progress" and action["type"] != "create":
                    action |= {"status": "errored", "completed_at": now()}
            for droplet in state["droplets"].values():
                droplet["locked"] = droplet["status"] == "new"
            half_made = [d["id"] for d in state["droplets"].values() if d["status"] == "new"]
        for droplet_id in half_made:
            log(f"droplet {droplet_id}: was half-made when the server ended; making it anew")
            self._work.submit(self._boot_anew, droplet_id)

    def _boot_anew(self, droplet_id: int) -> None:
        self.driver.destroy(droplet_id)
        self._boot(droplet_id)

    @contextmanager
    def _turn(self, droplet_id: int) -> Iterator[None]:
        """Wait until nothing else is being done to this droplet."""
        with self._turns[droplet_id]:
            yield

    # Firewalls

    def apply_firewalls(self, state: State) -> None:
        """Make every running droplet's rules those that the state asks for.

        A droplet that is off or busy gets its rules when it is up again.
        """
        for droplet in state["droplets"].values():
            if droplet["status"] == "active" and not droplet["locked"]:
                self._apply_firewall(state, droplet)

    def _apply_firewall(self, state: State, droplet: dict[str, Any]) -> None:
        rules = inbound_rules(state, droplet)
        droplet_id = droplet["id"]
        if self._applied.get(droplet_id, _NEVER) == rules:
            return
        self._applied.pop(droplet_id, None)
        try:
            self.driver.apply_firewall(droplet_id, rules)
        except Exception as error:
            log(f"droplet {droplet_id}: its firewall could not be set: {error}")
            raise server_error(f"The firewall of droplet {droplet_id} failed: {error}") from error
        self._applied[droplet_id] = rules

    # Droplets

    def boot(self, droplet_id: int) -> None:
        """Make the machine for a droplet whose status is new."""
        self._work.submit(self._boot, droplet_id)

    def _boot(self, droplet_id: int) -> None:
        with self._turn(droplet_id):
            with self.store.read() as state:
                if str(droplet_id) not in state["droplets"]:
                    return
                droplet = dict(state["droplets"][str(droplet_id)])
            log(f"droplet {droplet_id}: making {droplet['name']} ({droplet['size_slug']})")
            try:
                addresses = self.driver.create(
                    droplet_id=droplet_id,
                    name=droplet["name"],
                    vcpus=droplet["vcpus"],
                    memory_mb=droplet["memory"],
                    disk_gb=droplet["disk"],
                    image=droplet["image_slug"],
                    ssh_public_keys=droplet["ssh_public_keys"],
                    user_data=droplet["user_data"],
                )
                with self.store.change() as state:
                    droplet = state["droplets"][str(droplet_id)]
                    droplet |= {
                        "public_ipv4": addresses.public_ipv4,
                        "private_ipv4": addresses.private_ipv4,
                        "public_ipv6": addresses.public_ipv6,
                    }
                    # Before anybody is told that it is there, it is guarded.
                    self._apply_firewall(state, droplet)
                    droplet |= {"status": "active", "locked": False}
                    self._end_actions(state, droplet_id, "completed")
                log(f"droplet {droplet_id}: active at {addresses.public_ipv4}")
            except Exception as error:  # noqa: BLE001 - whatever it was, the droplet is off
                log(f"droplet {droplet_id}: could not be made: {error}")
                with self.store.change() as state:
                    state["droplets"][str(droplet_id)] |= {"status": "off", "locked": False}
                    self._end_actions(state, droplet_id, "errored")

    def act(self, droplet_id: int, work: Callable[[], None], after: dict[str, Any]) -> None:
        """Do something to a machine in the background; afterwards its droplet says so."""
        self._work.submit(self._act, droplet_id, work, after)

    def _act(self, droplet_id: int, work: Callable[[], None], after: dict[str, Any]) -> None:
        with self._turn(droplet_id):
            with self.store.read() as state:
                if str(droplet_id) not in state["droplets"]:
                    return
            status = "completed"
            try:
                work()
            except Exception as error:  # noqa: BLE001 - whatever it was, the action failed
                log(f"droplet {droplet_id}: {error}")
                status, after = "errored", {}
            with self.store.change() as state:
                droplet = state["droplets"][str(droplet_id)]
                droplet |= {**after, "locked": False}
                self._end_actions(state, droplet_id, status)
            # A machine that was stopped may have lost its rules.
            self._applied.pop(droplet_id, None)
            with self.store.change() as state:
                self.apply_firewalls(state)

    def map(self, action_id: int, reserved_ips: dict[int, str | None]) -> None:
        """Let each droplet answer at a reserved IP, or at none, in the background."""
        self._work.submit(self._map, action_id, reserved_ips)

    def _map(self, action_id: int, reserved_ips: dict[int, str | None]) -> None:
        status = "completed"
        for droplet_id, address in reserved_ips.items():
            with self._turn(droplet_id):
                try:
                    self.driver.answer_at(droplet_id, address)
                except Exception as error:  # noqa: BLE001 - whatever it was, the action failed
                    log(f"droplet {droplet_id}: its reserved IP could not be set: {error}")
                    status = "errored"
        with self.store.change() as state:
            state["actions"][str(action_id)] |= {"status": status, "completed_at": now()}

    def _end_actions(self, state: State, droplet_id: int, status: str) -> None:
        for action in state["actions"].values():
            if action["resource_id"] == droplet_id and action["status"] == "in-progress":
                action |= {"status": status, "completed_at": now()}

    def destroy(self, droplet_id: int) -> None:
        """Remove a droplet and its machine; back when both are gone."""
        with self._turn(droplet_id):
            with self.store.change() as state:
                if str(droplet_id) not in state["droplets"]:
                    raise not_found()
                state["droplets"][str(droplet_id)]["locked"] = True
            try:
                self.driver.destroy(droplet_id)
            except Exception as error:
                log(f"droplet {droplet_id}: could not be removed: {error}")
                with self.store.change() as state:
                    state["droplets"][str(droplet_id)]["locked"] = False
                raise server_error(f"Droplet {droplet_id} is still there: {error}") from error
            with self.store.change() as state:
                del state["droplets"][str(droplet_id)]
                leave(state, droplet_id)
                for project in state["projects"].values():
                    project["resources"].pop(f"do:droplet:{droplet_id}", None)
                for firewall in state["firewalls"].values():
                    firewall["droplet_ids"] = [
                        other for other in firewall["droplet_ids"] if other != droplet_id
                    ]
                self._applied.pop(droplet_id, None)
                self.apply_firewalls(state)
            log(f"droplet {droplet_id}: removed")
