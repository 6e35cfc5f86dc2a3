"""Started by Terraform, never by hand: python -m rehearsal.offline.provider CACHE-FOLDER."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import tf.provider
import tf.runner

from .provider import DigitalOcean
from .servicer import SdkServicer


class EndsWhenTold(tf.runner._ShutdownInterceptor):  # type: ignore[misc] # noqa: SLF001
    """Ends at Shutdown. The library would at StopProvider, too, in the middle of its work."""

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """Let the call through, and end after the last one."""
        if handler_call_details.method.endswith("/StopProvider"):
            return continuation(handler_call_details)
        return super().intercept_service(continuation, handler_call_details)


def main() -> None:
    """Serve Terraform until it has no more to ask."""
    # Ctrl-C reaches a provider, too. Real ones finish what Terraform has asked for, so that it
    # knows what it has made.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tf.runner._ShutdownInterceptor = EndsWhenTold  # noqa: SLF001
    # The library takes both from its modules when it starts: ours plan as the
    # older SDK does, and keep the certificate out of the home directory.
    tf.provider.ProviderServicer = SdkServicer
    cache = Path(sys.argv[1])
    cache.mkdir(parents=True, exist_ok=True)
    tf.runner._get_cert_cache_path = lambda: cache / "certificate.json"  # noqa: SLF001
    # It talks to Terraform through a socket in a temporary folder; a socket's path has at
    # most 107 bytes, which TMPDIR may use up.
    tempfile.tempdir = "/tmp"  # noqa: S108
    tf.runner.run_provider(DigitalOcean())


if __name__ == "__main__":
    main()
