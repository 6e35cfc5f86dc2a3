"""The cloud behind the API: what is known of it, and the machines that it runs."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from rehearsal.droplet.driver import DockerDriver
from rehearsal.engines import DockerEngines

from .droplets import end_action
from .fields import Item, not_found
from .firewalls import inbound_rules
from .projects import add_default_project
from .reconciler import Reconciler
from .resource import Resource
from .store import State, Store, log

_NEVER = object()


class Cloud:
    """Changes droplets in the background, one change a droplet at a time."""

    def __init__(self, store: Store, driver: DockerDriver, engines: DockerEngines) -> None:
        self.store = store
        self.driver = driver
        self.background = ThreadPoolExecutor(max_workers=4, thread_name_prefix="droplet")
        self._turns: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        # The rules each droplet has, so that only changes reach the driver.
        self._applied: dict[int, Any] = {}
        with store.change() as state:
            for kind in Resource.kinds:
                if not kind.parent:
                    state.setdefault(kind.kind or kind.many, {})
            add_default_project(state)
        self._resume()
        store.follow = self._apply_firewalls
        self._reconciler = Reconciler(store, engines)

    def close(self) -> None:
        """Finish what is under way."""
        self._reconciler.close()
        self.background.shutdown(wait=True)

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
                self.background.submit(self.boot, action["resource_id"], action["id"])

    # Firewalls

    def _apply_firewalls(self, state: State) -> None:
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
            self.driver.apply_firewall(number, rules)
            self._applied[number] = rules

    # Droplets

    def boot(self, droplet_id: int, action_id: int) -> None:
        """Make the machine for a droplet whose status is new."""
        self.act(droplet_id, action_id, partial(self._boot, droplet_id), failed="off")

    def _boot(self, droplet_id: int) -> Item:
        droplet = self.store.state["droplets"][str(droplet_id)]
        log(f"droplet {droplet_id}: making {droplet['name']} ({droplet['size']})")
        self.driver.destroy(droplet_id)  # one that was half made when the server ended
        address = self.driver.create(droplet)
        log(f"droplet {droplet_id}: runs at {address}")
        return {"address": address, "status": "active"}

    def act(
        self, droplet_id: int, action_id: int, work: Callable[[], Item], failed: str = ""
    ) -> None:
        """Do something to a machine; it returns what changes in its droplet.

        `failed` is the status of the droplet after a failure, if that is another one.
        """
        with self._turns[droplet_id]:
            if str(droplet_id) not in self.store.state["droplets"]:
                return
            try:
                after = work()
                # A machine that was stopped may have lost its rules.
                self._applied.pop(droplet_id, None)
                with self.store.change() as state:
                    state["droplets"][str(droplet_id)] |= {**after, "locked": False}
                    end_action(state["actions"][str(action_id)], "completed")
            except Exception as error:  # noqa: BLE001 - whatever it was, the action failed
                log(f"droplet {droplet_id}: {error}")
                with self.store.change() as state:
                    droplet = state["droplets"][str(droplet_id)]
                    droplet |= {"status": failed or droplet["status"], "locked": False}
                    end_action(state["actions"][str(action_id)], "errored")

    def answer_at(self, action_id: int, reserved_ips: dict[int, str | None]) -> None:
        """Let each droplet answer at a reserved IP, or at none."""
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
            except Exception:
                with self.store.change() as state:
                    state["droplets"][key]["locked"] = False
                raise
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
            log(f"droplet {droplet_id}: removed")
