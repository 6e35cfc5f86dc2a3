"""Where a standing rehearsal keeps what it needs: in .rehearsal/, and in Docker."""

from __future__ import annotations

from ops.console.settings import ROOT

STATE = ROOT / ".rehearsal"

API_URL = STATE / "api-url"
SPACES_URL = STATE / "spaces-url"
TOKEN = STATE / "token"
PIP_CONF = STATE / "pip.conf"
SSH_KEY = STATE / "ssh_key"
SSH_SOCKETS = STATE / "ssh"
AUTHORITY_URL = STATE / "authority-url"
AUTHORITY_ROOT = STATE / "authority.pem"
TERRAFORM = STATE / "terraform"
PROVIDER = STATE / "provider"

# Everything of it in Docker carries this label.
PROJECT = "digits-rehearsal"
LABEL = f"digits.rehearsal={PROJECT}"
# The authority is there as long as a rehearsal is, and names the clone.
CLONE = "digits.clone"
