"""Operators and fate play on a droplet in memory, in many orders (Hypothesis).

MODEL_RUNS is how many runs of up to 30 steps are made, MODEL_SEED chooses another set of them. The
long test takes another set each time, and prints its seed.
"""

from __future__ import annotations

import os
import random
import sys

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    rule,
)

from droplet import status, watchdog
from droplet.lock import HOLDER
from tests.droplet.model import FATES, KINDS, Droplet, Fate, Outcome
from tests.droplet.world import GB

RUNS = int(os.environ.get("MODEL_RUNS", "300"))
LONG = int(os.environ.get("MODEL_RUNS_LONG", "100000"))
STEPS = 30
# A shorter example of a failure takes a minute or two.
PHASES = (Phase.generate,) if os.environ.get("MODEL_NO_SHRINK") else (Phase.generate, Phase.shrink)

STRIKES = (
    *FATES,
    *("kill", "kill", "kill", "leave", "another release", "another rollback", "status", "watchdog"),
)
STRIKE: st.SearchStrategy[Fate] = st.tuples(st.sampled_from(STRIKES), st.integers(1, 150))
NOTHING: st.SearchStrategy[Fate] = st.just(("nothing", 1))
FATE = st.one_of(NOTHING, STRIKE)
FIXED = st.booleans()
GOOD_OR_NOT = st.sampled_from(("good", "good", "good", "good", "identical", *KINDS))


class Model(RuleBasedStateMachine):
    """The droplet, and what may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.droplet = Droplet()
        self.world = self.droplet.world

    @initialize(bash=st.sampled_from((0, 0, 1, 2)), releases=st.integers(1, 4))
    def begin(self, bash: int, releases: int) -> None:
        if bash:
            self.droplet.from_bash(bash, releases)

    # --- operators ---

    @rule(kind=GOOD_OR_NOT, fate=FATE, fixed=FIXED)
    def release(self, kind: str, fate: Fate, fixed: bool) -> None:
        self.fix(fixed)
        name = self.droplet.publish(kind)
        had_cause, before = self.droplet.has_cause(), self.droplet.numbers()
        killed = self.droplet.killed
        done = self.droplet.run(self.droplet.releasing(name), fate)
        if done.how in ("refused", "full", "left") and not killed and "another" not in fate[0]:
            says_so = not before and "live as soon as nginx runs" in done.text
            same = self.droplet.numbers() == before
            assert same or says_so, "it is live, and says that it is not"
        image = self.world.registry[name].id
        works = self.droplet.works(image, self.droplet.processes) and self.droplet.may_move()
        if fate[0] == "nothing" and not had_cause:
            assert (done.how == "done") == works, done
            if done.how == "done":
                assert self.droplet.way[-1] == image
        self.after(done, had_cause, fate)

    @rule(fate=FATE, fixed=FIXED)
    def rollback(self, fate: Fate, fixed: bool) -> None:
        self.fix(fixed)
        droplet = self.droplet
        expected, had_cause = droplet.before(), droplet.has_cause()
        works = expected and droplet.works(expected, droplet.processes) and droplet.may_move()
        missing = not self.world.serves()
        done = self.droplet.run(self.droplet.rolling_back(), fate)
        if fate[0] == "nothing" and not had_cause:
            if works:
                assert done.how == "done", done
                assert self.droplet.way[-1] == expected, "it went back to another image"
            elif not expected and not missing and droplet.way:
                assert done.how == "refused", "there is nothing further back"
            elif not expected and missing and done.how == "done" and not self.hangs():
                assert self.world.serves()
        self.after(done, had_cause, fate, began=bool(expected))

    @rule(fate=FATE)
    def rollback_on_a_full_disk(self, fate: Fate) -> None:
        droplet = self.droplet
        self.fix(fixed=True)
        expected = droplet.before()
        if not expected or not droplet.works(expected, droplet.processes):
            return
        if droplet.processes > 1 or not droplet.has_reserve():
            return
        if not droplet.database_is_right() or not self.world.serves():
            return
        self.world.free = 0
        done = droplet.run(droplet.rolling_back(), fate)
        if fate[0] == "nothing":
            assert done.how == "done", done
            assert droplet.way[-1] == expected, "it went back to another image"
        self.world.free = 20 * GB

    @rule(back=st.integers(0, 5), fate=FATE, fixed=FIXED)
    def rollback_to_one_that_is_named(self, back: int, fate: Fate, fixed: bool) -> None:
        self.fix(fixed)
        there = [one.id for one in self.world.images.values() if "postgres" not in one.kind]
        if not there:
            return
        wanted = there[back % len(there)]
        had_cause = self.droplet.has_cause()
        done = self.droplet.run(self.droplet.rolling_back(wanted), fate)
        if done.how == "done" and fate[0] == "nothing" and self.droplet.way:
            assert self.droplet.way[-1] == wanted
        self.after(done, had_cause, fate, began=done.how == "done")

    @rule(which=st.sampled_from(("status", "releases", "watchdog")), fate=FATE, fixed=FIXED)
    def look(self, which: str, fate: Fate, fixed: bool) -> None:
        self.fix(fixed)
        commands = {
            "status": lambda host: status.run(host, quiet=True),
            "releases": lambda host: status.releases(host, quiet=True),
            "watchdog": watchdog.run,
        }
        killed = self.droplet.killed and HOLDER in self.world.files
        had_cause = self.droplet.has_cause()
        done = self.droplet.run(commands[which], fate)
        if which == "watchdog" and fate[0] == "nothing" and not had_cause:
            assert self.world.nginx_runs
            live = [self.world.at_port.get(port) for port in self.world.loaded]
            assert not any(box.hangs for box in live if box), "it still hangs"
        self.after(done, had_cause, fate, began=killed)

    @rule(fate=FATE)
    def bring_back(self, fate: Fate) -> None:
        had_cause = self.droplet.has_cause()
        if not self.droplet.way:
            return
        done = self.droplet.run(self.droplet.bringing_back(), fate)
        text = self.world.files["/etc/digits/site.env"].decode()
        self.droplet.wanted = "managed" if "managed" in text else "local"
        self.after(done, had_cause, fate, began=False)

    @rule(at=st.integers(1, 120), killed=st.booleans(), back=st.booleans())
    def release_that_waits(self, at: int, killed: bool, back: bool) -> None:
        if self.droplet.has_cause() or not self.droplet.may_move():
            return
        first = (
            self.droplet.rolling_back()
            if back
            else self.droplet.releasing(self.droplet.publish("good"))
        )
        done = self.droplet.waiting(first, at, killed=killed)
        assert done.how == "done", done
        if not killed:
            self.droplet.agrees()

    @rule(count=st.integers(1, 4), memory=st.sampled_from((300, 4000, 4000)))
    def processes(self, count: int, memory: int) -> None:
        self.droplet.processes = count
        self.world.memory_mb = memory
        self.droplet.set_site()

    @rule(wanted=st.sampled_from(("local", "managed")))
    def database_is_to_be(self, wanted: str) -> None:
        self.droplet.wanted = wanted
        self.droplet.set_site()

    # --- fate ---

    @rule(what=st.sampled_from((*FATES, "nginx cannot start", "database cannot start", "reboot")))
    def strikes(self, what: str) -> None:
        self.droplet.strike(what)
        self.world.passes(3)

    def fix(self, fixed: bool) -> None:
        """Whatever kept commands from working may be over."""
        if fixed:
            self.droplet.causes_gone()
            self.world.passes(3)

    @rule(broken=st.booleans())
    def newer_postgres(self, broken: bool) -> None:
        self.droplet.publish_postgres(broken=broken)

    @rule(which=st.integers(0, 15), stopped=st.booleans())
    def container_is_taken_away(self, which: int, stopped: bool) -> None:
        for number, box in enumerate(self.world.service("app")):
            if which & (1 << number):
                self.world.excused = True
                (self.world.end_box if stopped else self.world.remove_box)(box)

    @rule(which=st.integers(0, 255))
    def images_are_pruned(self, which: int) -> None:
        of_app = [one for one in self.world.images.values() if "postgres" not in one.kind]
        chosen = [one for number, one in enumerate(of_app) if which & (1 << number)]
        before = set(self.world.images)
        self.world.remove_images(chosen)
        self.droplet.pruned |= before - set(self.world.images)

    @rule()
    def app_hangs(self) -> None:
        for box in self.world.service("app"):
            if box.runs and box.image.kind != "unchecked":  # the watchdog needs a health check
                box.hangs, self.world.excused = True, True

    def hangs(self) -> bool:
        """Whether a process of the app hangs; the watchdog restarts it."""
        return any(box.hangs for box in self.world.at_port.values())

    @rule()
    def time_passes(self) -> None:
        for _ in range(10):
            self.world.passes(3)
            self.world.visit()

    # --- what holds ---

    def after(
        self,
        done: Outcome,
        had_cause: bool,
        fate: Fate,
        *,
        began: bool = True,
    ) -> None:
        """What holds after a command that was not killed."""
        if done.how == "killed" or not self.world.docker_answers:
            return
        quiet = ("nothing", "kill", "leave", "another release", "another rollback", "status")
        if not had_cause and not self.droplet.has_cause() and fate[0] in quiet and began:
            self.droplet.killed = False
            if done.how in ("done", "refused"):
                self.droplet.is_recovered()
        elif not had_cause and fate[0] in quiet:
            self.droplet.agrees()

    @invariant()
    def everything_holds(self) -> None:
        self.droplet.holds()

    def teardown(self) -> None:
        """When every cause is gone, the next command repairs everything."""
        if sys.exc_info()[0]:
            return  # it has failed already
        droplet = self.droplet
        droplet.causes_gone()
        droplet.processes = 1
        droplet.set_site()
        self.world.passes(5)
        # Where the database's image is broken only a release brings another one.
        if droplet.way and droplet.way[-1] in self.world.images and not droplet.has_cause():
            done = droplet.run(droplet.rolling_back(droplet.way[-1]))
            assert done.how == "done", done
            droplet.is_recovered()
        done = droplet.run(droplet.releasing(droplet.publish("good")))
        assert done.how == "done", done
        droplet.is_recovered()
        droplet.holds()


def play(runs: int, seed_of_now: int) -> None:
    """Make so many runs, with this seed or MODEL_SEED."""
    chosen = int(os.environ.get("MODEL_SEED", "0")) or seed_of_now
    print(f"MODEL_SEED={chosen}")
    test = get_state_machine_test(
        Model,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=PHASES,
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )
    seed(chosen)(test)()


def test_operators_and_fate() -> None:
    play(RUNS, 20261129)  # the same each time: what it finds is of the change


@pytest.mark.long
@pytest.mark.timeout(0)
def test_operators_and_fate_for_long() -> None:
    play(LONG, random.randrange(1, 1 << 32))  # noqa: S311 - another set each time
