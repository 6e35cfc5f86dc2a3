"""The engines as containers: what the rehearsal's API calls for balancers and databases."""

from __future__ import annotations

from rehearsal.droplet.containers import Containers

from .balancers import Balancers
from .databases import Databases


class DockerEngines(Balancers, Databases):
    """Runs both kinds on this machine, labelled as all of the rehearsal is."""

    def __init__(self, project: str = "digits-rehearsal") -> None:
        super().__init__(Containers(project))
