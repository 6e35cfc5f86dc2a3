"""The provider itself: its own settings, and the list of its resources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tf.iface import DataSource, Provider, Resource
from tf.schema import Attribute, Schema
from tf.types import Number, String

from .client import ApiError, Client
from .database_cluster import DatabaseCluster
from .database_parts import DatabaseCa, DatabaseDb, DatabaseFirewall, DatabaseUser
from .dns import Certificate, Domains, Record
from .droplet import Droplet
from .firewall import Firewall
from .load_balancer import LoadBalancer
from .monitor_alert import MonitorAlert
from .project import Project
from .project_resources import ProjectResources
from .reserved_ip import ReservedIp
from .spaces_bucket import SpacesBucket
from .spaces_client import Spaces
from .spaces_key import SpacesKey
from .ssh_key import SshKey
from .tag import Tag
from .uptime import UptimeAlert, UptimeCheck

if TYPE_CHECKING:
    from tf.utils import Diagnostics


class DigitalOcean(Provider):  # type: ignore[misc]
    client: Client
    spaces: Spaces

    def get_model_prefix(self) -> str:
        return "digitalocean_"

    def full_name(self) -> str:
        return "registry.terraform.io/digitalocean/digitalocean"

    def get_provider_schema(self, diags: Diagnostics) -> Schema:
        return Schema(
            attributes=[
                Attribute("token", String(), optional=True, sensitive=True),
                Attribute("api_endpoint", String(), optional=True),
                Attribute("http_retry_max", Number(), optional=True),
                Attribute("spaces_endpoint", String(), optional=True),
                Attribute("spaces_access_id", String(), optional=True, sensitive=True),
                Attribute("spaces_secret_key", String(), optional=True, sensitive=True),
            ]
        )

    def validate_config(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        pass

    def configure_provider(self, diags: Diagnostics, config: dict[str, Any]) -> None:
        try:
            self.client = Client.configured(config)
        except ApiError as error:
            diags.add_error("A stand-in cannot deploy to DigitalOcean", str(error))
        self.spaces = Spaces.configured(config)

    def get_resources(self) -> list[type[Resource]]:
        return [
            Certificate,
            DatabaseCluster,
            DatabaseDb,
            DatabaseFirewall,
            DatabaseUser,
            Droplet,
            Firewall,
            LoadBalancer,
            MonitorAlert,
            Project,
            ProjectResources,
            Record,
            ReservedIp,
            SpacesBucket,
            SpacesKey,
            SshKey,
            Tag,
            UptimeAlert,
            UptimeCheck,
        ]

    def get_data_sources(self) -> list[type[DataSource]]:
        return [DatabaseCa, Domains]
