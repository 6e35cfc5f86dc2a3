"""Where a standing rehearsal keeps what it needs: in .rehearsal/, and in Docker."""

from __future__ import annotations

from ops.console.settings import ROOT
from rehearsal.offline import build

STATE = ROOT / ".rehearsal"

API_STATE = STATE / "api"
API_URL = STATE / "api-url"
TOKEN = STATE / "token"
SSH_KEY = STATE / "ssh_key"
SSH_SOCKETS = STATE / "ssh"
KNOWN_HOSTS = STATE / "known_hosts"
DEPLOY_KEY = STATE / "deploy_key"
GH = STATE / "gh"
COPIES_PASSWORD = STATE / "copies_password"
SPACES_URL = STATE / "spaces-url"
AUTHORITY_URL = STATE / "authority-url"
AUTHORITY_STARTED = STATE / "authority-started"
AUTHORITY_ROOT = STATE / "authority.pem"
TERRAFORM = STATE / "terraform"
PROVIDER = STATE / "provider"

# Everything of it in Docker carries this label.
PROJECT = "digits-rehearsal"
LABEL = f"digits.rehearsal={PROJECT}"
# The authority is there as long as a rehearsal is, and names the clone.
CLONE = "digits.clone"
BUILD = build.Place(STATE / "offline", f"{PROJECT}-wheels", LABEL)
