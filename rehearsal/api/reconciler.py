"""Makes what runs behind load balancers and managed databases what the account's state says.

It looks again and again, so nothing has to tell it what changes: a droplet that gets the tag, a
rule, a server that was ended halfway. Whatever asks the API sees the state get there.
"""

from __future__ import annotations

import threading
from typing import Any

from rehearsal.engines import DockerEngines

from .databases import Databases
from .fields import Item
from .load_balancers import LoadBalancers
from .store import State, Store, log

_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_AFTER_A_FAILURE = 5.0
_Kind = LoadBalancers | Databases


class Reconciler:
    """Looks after both kinds in the background, each by itself."""

    def __init__(self, store: Store, engines: DockerEngines) -> None:
        self._store = store
        self._engines = engines
        self._over = threading.Event()
        # What each was last made to be, so that only changes reach it.
        self._made: dict[str, Any] = {}
        self._threads = [
            threading.Thread(target=self._look, args=(kind,), name=kind.many)
            for kind in (LoadBalancers(), Databases())
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what is under way."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _look(self, kind: _Kind) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            pause = _SECONDS_BETWEEN_LOOKS
            state = self._store.state
            for item in kind.items(state).values():
                try:
                    self._reconcile(kind, state, item)
                except Exception as error:  # noqa: BLE001 - whatever it was, it is tried again
                    log(f"{kind.one} {item['name']}: {error}")
                    self._made.pop(item["id"], None)
                    pause = _SECONDS_AFTER_A_FAILURE
                    if item["status"] == "new":
                        self._change(kind, item, {"status": "errored"})

    def _reconcile(self, kind: _Kind, state: State, item: Item) -> None:
        key = item["id"]
        if item.get("gone"):
            kind.stop(self._engines, item)
            self._made.pop(key, None)
            with self._store.change() as draft:
                del kind.items(draft)[key]
            return
        wanted = kind.wanted(state, item)
        if wanted == self._made.get(key):
            return
        changes = kind.run(self._engines, item, wanted[1])
        self._made[key] = wanted
        log(f"{kind.one} {item['name']}: {changes.get('ip') or 'runs'}")
        if item != item | changes:
            self._change(kind, item, changes, wanted)

    def _change(self, kind: _Kind, item: Item, changes: Item, made: Any = None) -> None:
        """Change one in the state, if it is there, and is still to be what was made."""
        with self._store.change() as draft:
            found = kind.items(draft).get(item["id"])
            if found is None or (made and kind.wanted(draft, found)[0] != made[0]):
                return
            found |= changes
