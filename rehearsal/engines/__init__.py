"""Containers in place of DigitalOcean's load balancers and databases, and of Let's Encrypt."""

from .balancers import Balancers
from .databases import Databases


class DockerEngines(Balancers, Databases):
    """Both kinds, on this machine: every call says the whole of what is wanted."""
