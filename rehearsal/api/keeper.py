"""Makes the engines what the account's state says: load balancers and managed databases.

It looks again and again, so nothing has to tell it what changes: a droplet that gets the tag, a
rule, a server that was ended halfway. Whatever asks the API sees the state get there.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from . import database_state, load_balancer_state
from .clock import log

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine import Engines
    from .store import State, Store

_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_AFTER_TROUBLE = 5.0


class Keeper:
    """Looks after the engines in the background, each kind by itself."""

    def __init__(
        self, store: Store, engines: Engines, apply_firewalls: Callable[[State], None]
    ) -> None:
        self._store = store
        self._engines = engines
        self._apply_firewalls = apply_firewalls
        self._over = threading.Event()
        # What each engine was last told, so that only changes reach it.
        self._told: dict[str, Any] = {}
        self._threads = [
            threading.Thread(target=self._keep, args=(look,), name=name)
            for name, look in (("balancers", self._balancers), ("databases", self._databases))
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what is under way."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _keep(self, look: Callable[[], bool]) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            pause = _SECONDS_BETWEEN_LOOKS if look() else _SECONDS_AFTER_TROUBLE

    def _balancers(self) -> bool:
        return self._each("load_balancers", self._balance)

    def _databases(self) -> bool:
        return self._each("databases", self._serve)

    def _each(self, kind: str, make: Callable[[State, dict[str, Any]], None]) -> bool:
        """Do it for each of a kind; whether all went well."""
        well = True
        with self._store.read() as state:
            found = list(state[kind].items())
        for key, engine in found:
            try:
                make(state, engine)
            except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                well = False
                self._told.pop(key, None)
                log(f"{kind} {engine['name']}: {error}")
                self._change(kind, key, _fail)
        return well

    def _change(self, kind: str, key: str, how: Callable[[dict[str, Any]], None]) -> None:
        """Change one in the state, if it is still there."""
        with self._store.change() as state:
            if key in state[kind]:
                how(state[kind][key])

    def _forget(self, kind: str, key: str) -> None:
        self._told.pop(key, None)
        with self._store.change() as state:
            del state[kind][key]

    def _balance(self, state: State, balancer: dict[str, Any]) -> None:
        key = balancer["id"]
        if balancer["gone"]:
            self._engines.unbalance(key)
            self._forget("load_balancers", key)
            return
        members = {
            one["name"]: address for one, address in load_balancer_state.members(state, balancer)
        }
        wanted = (load_balancer_state.settings(balancer), members)
        if self._told.get(key) == wanted:
            return
        address = self._engines.balance(balancer, members)
        self._told[key] = wanted
        log(f"balancer {balancer['name']}: at {address}, for {', '.join(members) or 'nobody'}")
        if (balancer["status"], balancer["ip"]) == ("active", address):
            return
        with self._store.change() as draft:
            if key in draft["load_balancers"]:
                draft["load_balancers"][key] |= {"status": "active", "ip": address}
                # Rules that name it mean its address.
                self._apply_firewalls(draft)

    def _serve(self, state: State, cluster: dict[str, Any]) -> None:
        key = cluster["id"]
        if cluster["gone"]:
            self._engines.remove(key)
            self._forget("databases", key)
            return
        reach = database_state.reach(state, cluster)
        inside, rules = self._told.get(key, (None, None))
        wanted = database_state.settings(cluster)
        if inside != wanted:
            certificate = self._engines.serve(cluster)
            log(f"database {cluster['name']}: online")
            self._change("databases", key, lambda one: one.update(status="online", ca=certificate))
        if inside != wanted or rules != reach:
            self._engines.guard(key, reach)
        self._told[key] = (wanted, reach)


def _fail(engine: dict[str, Any]) -> None:
    """Say of a balancer that is new that it could not be made; what runs is tried again."""
    if engine["status"] == "new":
        engine["status"] = "errored"
