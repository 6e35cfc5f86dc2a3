"""Which of the internet's registries answer: those that do are never stood in for."""

from __future__ import annotations

import urllib.request

_SECONDS = 5


def _page(url: str) -> bytes:
    """The page, or nothing if it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - ours
            page: bytes = answer.read()
            return page or b"empty"
    except (OSError, ValueError):
        return b""


def terraform_registry_answers() -> bool:
    """Whether Terraform's registry answers."""
    return b"providers.v1" in _page("https://registry.terraform.io/.well-known/terraform.json")


def torch_index_answers(index: str) -> bool:
    """Whether this package index has torch."""
    return bool(_page(f"{index}/torch/"))
