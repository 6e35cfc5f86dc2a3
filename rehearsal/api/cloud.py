"""The cloud behind the API: what is known of it, and the machines that it runs."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

from .droplets import end_action
from .fields import ApiError, Item, not_found
from .firewalls import inbound_rules
from .projects import add_default_project
from .reconciler import Engines, Reconciler
from .store import State, Store, log

_NEVER = object()


class Driver(Protocol):
    """Makes and removes the machines behind the droplets.

    Calls block until the work is done. Calls for one droplet never overlap; calls for different
    droplets may. Where there is no such machine, destroy and answer_at do nothing.
    """

    def create(self, droplet: dict[str, Any]) -> str:
        """Start a machine that accepts SSH logins, for this droplet of the state; its address."""

    def destroy(self, droplet_id: int) -> None: ...

    def apply_firewall(self, droplet_id: int, inbound_rules: list[dict[str, Any]] | None) -> None:
        """Let in only what these rules of DigitalOcean's name; None lets everything in."""

    def reserved_ip(self, taken: set[str]) -> str:
        """An address for the account, on no machine yet and none of these."""

    def answer_at(self, droplet_id: int, address: str | None) -> None:
        """Let the machine, even if it is off, answer at this reserved IP, too; at none if None."""

    def power_off(self, droplet_id: int) -> None: ...

    def power_on(self, droplet_id: int) -> None: ...

    def resize(self, droplet_id: int, vcpus: int, memory_mb: int) -> None: ...


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
        self._reconciler = Reconciler(store, engines, self.apply_firewalls)

    def close(self) -> None:
        """Finish what is under way."""
        self._reconciler.close()
        self._work.shutdown(wait=True)

    def _resume(self) -> None:
        """Pick up what an earlier run of the server left half-done."""
        with self.store.change() as state:
            unfinished = [a for a in state["actions"].values() if a["status"] == "in-progress"]
            for droplet in state["droplets"].values():
                droplet["locked"] = droplet["status"] == "new"
            for action in unfinished:
                if action["type"] != "create":
                    end_action(action, "errored")
        for action in unfinished:
            if action["type"] == "create":
                number = action["resource_id"]
                log(f"droplet {number}: was half-made when the server ended; making it again")
                self._work.submit(self._again, number, action["id"])

    def _again(self, droplet_id: int, action_id: int) -> None:
        self.driver.destroy(droplet_id)
        self.boot(droplet_id, action_id)

    # Firewalls

    def apply_firewalls(self, state: State) -> None:
        """Make every running droplet's rules those that the state asks for.

        A droplet that is off or busy gets its rules when it is up again.
        """
        for droplet in state["droplets"].values():
            if droplet["status"] != "active" or droplet["locked"]:
                continue
            rules, number = inbound_rules(state, droplet), droplet["id"]
            if self._applied.get(number, _NEVER) == rules:
                continue
            self._applied.pop(number, None)
            try:
                self.driver.apply_firewall(number, rules)
            except Exception as error:
                log(f"droplet {number}: its firewall could not be set: {error}")
                raise ApiError(500, f"The firewall of droplet {number} failed: {error}") from error
            self._applied[number] = rules

    # Droplets

    def boot(self, droplet_id: int, action_id: int) -> None:
        """Make the machine for a droplet whose status is new."""
        self.act(droplet_id, action_id, partial(self._boot, droplet_id), failed="off")

    def _boot(self, droplet_id: int) -> Item:
        droplet = self.store.state["droplets"][str(droplet_id)]
        log(f"droplet {droplet_id}: making {droplet['name']} ({droplet['size']})")
        address = self.driver.create(droplet)
        log(f"droplet {droplet_id}: runs at {address}")
        return {"address": address, "status": "active"}

    def act(
        self, droplet_id: int, action_id: int, work: Callable[[], Item], failed: str = ""
    ) -> None:
        """Do something to a machine in the background; it returns what changes in its droplet.

        `failed` is the status of the droplet after a failure, if that is another one.
        """
        self._work.submit(self._act, droplet_id, action_id, work, failed)

    def _act(self, droplet_id: int, action_id: int, work: Callable[[], Item], failed: str) -> None:
        with self._turns[droplet_id]:
            if str(droplet_id) not in self.store.state["droplets"]:
                return
            try:
                after = work()
                # A machine that was stopped may have lost its rules.
                self._applied.pop(droplet_id, None)
                with self.store.change() as state:
                    state["droplets"][str(droplet_id)] |= {**after, "locked": False}
                    # Before anybody reads that it is there, it is guarded.
                    self.apply_firewalls(state)
                    end_action(state["actions"][str(action_id)], "completed")
            except Exception as error:  # noqa: BLE001 - whatever it was, the action failed
                log(f"droplet {droplet_id}: {error}")
                with self.store.change() as state:
                    droplet = state["droplets"][str(droplet_id)]
                    droplet |= {"status": failed or droplet["status"], "locked": False}
                    end_action(state["actions"][str(action_id)], "errored")

    def answer_at(self, action_id: int, reserved_ips: dict[int, str | None]) -> None:
        """Let each droplet answer at a reserved IP, or at none, in the background."""
        self._work.submit(self._answer_at, action_id, reserved_ips)

    def _answer_at(self, action_id: int, reserved_ips: dict[int, str | None]) -> None:
        status = "completed"
        for droplet_id, address in reserved_ips.items():
            with self._turns[droplet_id]:
                try:
                    self.driver.answer_at(droplet_id, address)
                except Exception as error:  # noqa: BLE001 - whatever it was, the action failed
                    log(f"droplet {droplet_id}: its reserved IP could not be set: {error}")
                    status = "errored"
        with self.store.change() as state:
            end_action(state["actions"][str(action_id)], status)

    def destroy(self, droplet_id: int) -> None:
        """Remove a droplet and its machine; back when both are gone."""
        key = str(droplet_id)
        with self._turns[droplet_id]:
            with self.store.change() as state:
                if key not in state["droplets"]:
                    raise not_found()
                state["droplets"][key]["locked"] = True
            try:
                self.driver.destroy(droplet_id)
            except Exception as error:
                log(f"droplet {droplet_id}: could not be removed: {error}")
                with self.store.change() as state:
                    state["droplets"][key]["locked"] = False
                raise ApiError(500, f"Droplet {droplet_id} is still there: {error}") from error
            with self.store.change() as state:
                del state["droplets"][key]
                # The account keeps its reserved IP, and pays for it.
                for reserved in state["reserved_ips"].values():
                    if reserved["droplet_id"] == droplet_id:
                        reserved["droplet_id"] = None
                for holder in (*state["firewalls"].values(), *state["load_balancers"].values()):
                    named = holder["droplet_ids"]
                    holder["droplet_ids"] = [number for number in named if number != droplet_id]
                self._applied.pop(droplet_id, None)
                self.apply_firewalls(state)
            log(f"droplet {droplet_id}: removed")
