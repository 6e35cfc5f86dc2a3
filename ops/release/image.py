"""Which image is released: a value from the build, or from IMAGE, to the droplet's record of it."""

from __future__ import annotations

from dataclasses import dataclass

from ops.console.programs import output_of
from ops.console.settings import ReleaseSettings


@dataclass(frozen=True)
class Image:
    """An image by the reference that a droplet pulls, and the commit that it was built from."""

    reference: str
    commit: str
    is_on_the_droplet: bool = False  # then it is not pulled


def given(release: ReleaseSettings) -> Image | None:
    """The image that IMAGE names; None if one is to be built."""
    if not release.image:
        return None
    return Image(release.image, release.commit or commit_here(), release.no_pull == "yes")


def commit_here() -> str:
    """The commit of this clone."""
    return output_of("git", "describe", "--always", "--dirty") or "unknown"
