"""What stands behind the rehearsal's load balancers and managed databases: containers."""

from .balancers import Balancers
from .databases import Databases


class DockerEngines(Balancers, Databases):
    """Both kinds, on this machine."""
