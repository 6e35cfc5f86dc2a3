"""What all tests share: one rule for tests that cannot run here, and their surroundings."""

from __future__ import annotations

import os

import pytest

# Programs that tests start should keep their compiled modules, or each start
# compiles some thousand files anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def need(condition: object, reason: str, fix: str) -> None:
    """Go on if `condition` holds; else skip on a laptop, and fail where CI is set.

    A test that cannot run proves nothing, so it must not look green in CI.
    `reason` says what is missing, `fix` is the command that mends it.
    """
    if condition:
        return
    message = f"{reason}. Mend it:  {fix}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
