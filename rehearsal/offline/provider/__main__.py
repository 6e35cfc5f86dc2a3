"""Started by Terraform, never by hand: python -m rehearsal.offline.provider CACHE-FOLDER."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import tf.provider
import tf.runner
import tf.utils
from tf.types import Unknown

from .servicer import Servicer


class Provider:
    """What the library starts."""

    def full_name(self) -> str:
        return "registry.terraform.io/digitalocean/digitalocean"


def main() -> None:
    """Serve Terraform until it has no more to ask."""
    # The library takes both from its modules when it starts: ours plan as the
    # older SDK does, and keep the certificate out of the home directory.
    tf.provider.ProviderServicer = Servicer
    # What Terraform may know of a value that is not known yet (a text's beginning, say) makes it no
    # less unknown; the library takes only those of which nothing is known for such.
    tf.utils._msgpack_ext_hook = lambda _code, _data: Unknown  # noqa: SLF001
    cache = Path(sys.argv[1])
    cache.mkdir(parents=True, exist_ok=True)
    tf.runner._get_cert_cache_path = lambda: cache / "certificate.json"  # noqa: SLF001
    # It talks to Terraform through a socket in a temporary folder; a socket's path has at
    # most 107 bytes, which TMPDIR may use up.
    tempfile.tempdir = "/tmp"  # noqa: S108
    tf.runner.run_provider(Provider())


if __name__ == "__main__":
    main()
