"""What DigitalOcean offers everybody, and what each region has: sizes, images, networks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from .fields import Item, refused
from .resource import Resource
from .store import State

_REGIONS = ("nyc1", "nyc3", "ams3", "sfo3", "sgp1", "lon1", "fra1", "tor1", "blr1", "syd1")

# slug, memory in MB, processors, disk in GB, transfer in TB, $ a month, $ an hour
_SIZES: list[tuple[str, int, int, int, float, float, float]] = [
    ("s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4.0, 0.00595),
    ("s-1vcpu-1gb", 1024, 1, 25, 1.0, 6.0, 0.00893),
    ("s-1vcpu-2gb", 2048, 1, 50, 2.0, 12.0, 0.01786),
    ("s-2vcpu-2gb", 2048, 2, 60, 3.0, 18.0, 0.02679),
    ("s-2vcpu-4gb", 4096, 2, 80, 4.0, 24.0, 0.03571),
    ("s-4vcpu-8gb", 8192, 4, 160, 5.0, 48.0, 0.07143),
]

SIZES: dict[str, Item] = {
    slug: {
        "slug": slug,
        "memory": memory,
        "vcpus": vcpus,
        "disk": disk,
        "transfer": transfer,
        "price_monthly": monthly,
        "price_hourly": hourly,
        "regions": list(_REGIONS),
        "available": True,
        "description": "Basic",
    }
    for slug, memory, vcpus, disk, transfer, monthly, hourly in _SIZES
}

REGIONS: dict[str, Item] = {
    slug: {
        "slug": slug,
        "name": slug.upper(),
        "features": ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"],
        "available": True,
        "sizes": list(SIZES),
    }
    for slug in _REGIONS
}

IMAGES: dict[str, Item] = {
    "debian-13-x64": {
        "id": 195000013,
        "slug": "debian-13-x64",
        "name": "13 x64",
        "distribution": "Debian",
        "type": "base",
        "public": True,
        "regions": list(_REGIONS),
        "created_at": "2026-01-15T12:00:00Z",
        "min_disk_size": 10,
        "size_gigabytes": 1.2,
        "tags": [],
        "status": "available",
        "description": "Debian 13 x64",
    }
}


class Regions(Resource):
    path, one, many = "regions", "region", "regions"
    verbs = ("list",)
    offered = REGIONS


class Sizes(Resource):
    path, one, many = "sizes", "size", "sizes"
    verbs = ("list",)
    offered = SIZES


class Images(Resource):
    path, one, many = "images", "image", "images"
    verbs = ("list",)
    offered = IMAGES

    def chosen(self, item: Item, query: Mapping[str, str]) -> bool:
        return query.get("private") != "true"  # none is the account's own


def vpc_of(state: State, region: str, given: str | None) -> str:
    """The id of a region's private network, which is the only one that a request may name."""
    found: str = state["vpcs"].setdefault(region, str(uuid.uuid4()))
    if given and given != found:
        raise refused("You specified an invalid VPC for this region.")
    return found
