"""What a standing rehearsal keeps in .rehearsal/, and how to see whether one stands."""

from __future__ import annotations

import urllib.request

from ops.settings import ROOT
from rehearsal.offline import build

STATE = ROOT / ".rehearsal"

API_STATE = STATE / "api"
API_LOG = STATE / "api.log"
API_PID = STATE / "api.pid"
API_URL = STATE / "api-url"
TOKEN = STATE / "token"
SSH_KEY = STATE / "ssh_key"
SSH_SOCKETS = STATE / "ssh"
KNOWN_HOSTS = STATE / "known_hosts"
DEPLOY_KEY = STATE / "deploy_key"
TERRAFORM = STATE / "terraform"
PROVIDER = STATE / "provider"

# Everything of it in Docker carries this label.
PROJECT = "digits-rehearsal"
LABEL = f"digits.rehearsal={PROJECT}"
BUILD = build.Place(STATE / "offline", f"{PROJECT}-wheels", LABEL)


def api_url() -> str | None:
    """Where the local DigitalOcean answers; None if it does not."""
    if not API_URL.exists():
        return None
    url = API_URL.read_text().strip()
    request = urllib.request.Request(  # noqa: S310 - an address of this machine
        f"{url}/v2/account", headers={"Authorization": f"Bearer {TOKEN.read_text().strip()}"}
    )
    # A proxy has no business between two programs of one machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(request, timeout=5).close()
    except OSError:
        return None
    return url
