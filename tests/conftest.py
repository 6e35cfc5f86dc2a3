"""What all tests share: their surroundings, a browser, and the summary of what was skipped."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserType, sync_playwright
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.needs import LEFT_OUT, need_chromium

# The .env of whoever runs the tests is for their own deployment. What starts from here reads none.
os.environ["ENV_FILE"] = ""

pytest_plugins = ["tests.project"]
# A failed assertion shows its values in these modules, too.
pytest.register_assert_rewrite("tests.droplet", "tests.browser", "tests.docker", "tests.rehearsal")

# Programs that tests start should keep their compiled modules, or each start
# compiles some thousand files again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Debian installs some programs, haproxy for one, where only root's PATH looks.
os.environ["PATH"] = f"{os.environ['PATH']}:/usr/sbin:/sbin"

CONTAINERS, BROWSER = "tests/docker/", "tests/browser/"


def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors, since the tests wait for a third of their time."""
    return min(len(os.sched_getaffinity(0)), 4) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> LoadFileScheduling:
    """Give each of xdist's processes a file at a time, in pytest_collection_modifyitems' order."""
    config.option.loadscopereorder = False
    return LoadFileScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests, and leave out those named in the file $PASSED_BEFORE, as .ci/run does."""
    # Far apart, since they never run at once (hold_beside_no).
    items.sort(
        key=lambda item: item.nodeid.startswith(BROWSER) - item.nodeid.startswith(CONTAINERS)
    )
    if file := os.environ.get("PASSED_BEFORE"):
        passed = set(Path(file).read_text().splitlines())
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in passed])
        items[:] = [item for item in items if item.nodeid not in passed]


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    """A command of the droplet that runs in this process sets what Ctrl-C does to it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the files "containers" and "browsers" (hold_beside_no)."""
    folder = tmp_path_factory.getbasetemp()
    # Under xdist each process has a folder in the one that all share.
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@contextmanager
def hold_beside_no(locks: Path, mine: str, other: str) -> Iterator[None]:
    """Share the lock `mine` while no process holds the lock `other`.

    Chromium drops its connections when a network interface comes or goes, as containers' do.
    """
    with (locks / mine).open("a") as held, (locks / other).open("a") as others:
        while True:
            fcntl.flock(held, fcntl.LOCK_SH)
            with suppress(BlockingIOError):
                fcntl.flock(others, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(others, fcntl.LOCK_UN)
                break
            fcntl.flock(held, fcntl.LOCK_UN)
            time.sleep(random.uniform(0.1, 1))  # noqa: S311 - two that wait try at other times
        yield


@pytest.fixture(scope="module")
def no_browser_beside(locks: Path) -> Iterator[None]:
    """Run a module with containers while no test has a browser open."""
    with hold_beside_no(locks, "containers", "browsers"):
        yield


LEFT_OUT_PART = "left out a part"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note in the report, which xdist sends on, what the test left out."""
    report = yield
    report.user_properties += [(LEFT_OUT_PART, message) for message in LEFT_OUT]
    LEFT_OUT.clear()
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each reason why tests were skipped, or ran without a part."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    # A test has up to three reports: each part that it left out counts once.
    left_out = {
        (message, report.nodeid)
        for report in reports
        if isinstance(report, pytest.TestReport)
        for name, message in report.user_properties
        if name == LEFT_OUT_PART
    }
    reasons = Counter(
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
    )
    lines = [skipped(count, reason) for reason, count in reasons.most_common()]
    parts = Counter(str(message) for message, _ in left_out).most_common()
    lines += [f"{tests_of(count)} ran without a part, which {message}" for message, count in parts]
    if file := os.environ.get("WRITE_PASSED"):
        passed = {report.nodeid for report in terminalreporter.stats.get("passed", [])}
        whole = passed - {nodeid for _, nodeid in left_out}
        Path(file).write_text("".join(f"{nodeid}\n" for nodeid in sorted(whole)))
    if lines:
        terminalreporter.section("what could not run")
    for line in lines:
        terminalreporter.write_line(line)


def skipped(count: int, reason: str) -> str:
    """The line for tests that were skipped for the same reason."""
    needs, were = ("needs", "was") if count == 1 else ("need", "were")
    if reason.startswith("needs "):
        return f"{tests_of(count)} {needs} {reason.removeprefix('needs ')}"
    return f"{tests_of(count)} {were} skipped: {reason}"


def tests_of(count: int) -> str:
    """A count of tests."""
    return f"{count} test{'' if count == 1 else 's'}"


def launch(browser_type: BrowserType, home: Path | None = None) -> Browser:
    """Start this machine's Chromium or Chrome, or the one in $CHROMIUM.

    In `home` it finds the certificate authorities that it is to trust beside its own.
    """
    program = need_chromium()
    arguments = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-gpu",
        "--disable-sync",
        "--no-first-run",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    environment: dict[str, str | float | bool] = {**os.environ}
    if home:
        environment["HOME"] = str(home)
    return browser_type.launch(
        executable_path=program, args=arguments, timeout=300_000, env=environment
    )


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser, until the block ends."""
    need_chromium()  # before its driver, which does not start everywhere either
    with sync_playwright() as playwright:
        started = launch(playwright.chromium)
        yield started
        started.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests; each opens windows of its own."""
    with chromium() as started:
        yield started
