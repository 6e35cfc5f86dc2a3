"""The pipeline: its secrets and variables on GitHub, as far as gh may read them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ops.console.errors import Failed
from ops.console.make import make
from ops.console.settings import ROOT
from ops.doctor.findings import Patient, Skipped
from ops.github import repositories
from ops.ssh.connection import host_keys, pinned_lines

WORKFLOWS = ROOT / ".github/workflows"


def _need_github(patient: Patient) -> repositories.Repository:
    if reason := repositories.why_not_asked():
        raise Skipped(reason)
    try:
        return repositories.repository(patient.settings.pipeline.repository)
    except Failed as failed:
        raise Skipped(failed.what) from failed


def secrets(patient: Patient) -> str:
    """The secrets that the pipeline's files name."""
    needed: set[str] = set()
    for file in sorted(WORKFLOWS.glob("*.y*ml")):
        needed |= set(re.findall(r"\bsecrets\.([A-Z][A-Z0-9_]*)", file.read_text()))
    # GitHub's own is always there; the other is for a registry of yours only.
    needed -= {"GITHUB_TOKEN", "REGISTRY_PASSWORD"}
    if not needed:
        raise Skipped("no file in .github/workflows needs one")
    repository = _need_github(patient)
    set_there = repository.secrets()
    if set_there is None:
        raise Skipped(f"GitHub does not list the secrets of {repository} to you")
    there = needed & set_there
    if not there:
        raise Skipped(f"none is set, so no pipeline deploys this: {', '.join(sorted(needed))}")
    if missing := sorted(needed - there):
        raise Failed(
            f"set: {', '.join(sorted(there))}; missing: {', '.join(missing)}",
            make("pipeline"),
        )
    return f"set: {', '.join(sorted(there))}"


def knows_the_droplet(patient: Patient) -> str:
    """What the pipeline knows of the droplet is still so."""
    settings, host = patient.settings, patient.host
    repository = _need_github(patient)
    known = repository.variable("DROPLET_HOST_KEY")
    if known is None:
        raise Skipped(f"GitHub does not list the variables of {repository} to you")
    if not known:
        raise Skipped("DROPLET_HOST_KEY is not set, so no pipeline deploys this")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "known_hosts"
        file.write_text(known + "\n")
        theirs = host_keys(pinned_lines(host.ip, file))
    ours = host_keys(pinned_lines(host.ip, settings.ssh.pinned))
    if not ours:
        raise Skipped(f"the droplet's host key is not pinned here yet: {make('status')}")
    if not theirs & ours:
        raise Failed(
            "GitHub's variable DROPLET_HOST_KEY is another droplet's: the pipeline will not "
            "talk to this one.",
            make("pipeline"),
        )
    public = settings.pipeline.public_key
    if public.exists():
        accepted = host.ask("cat /root/.ssh/authorized_keys")
        if public.read_text().split()[1] not in accepted:
            raise Failed("The droplet does not accept the pipeline's key.", make("pipeline"))
    return "GitHub knows this droplet's host key"
