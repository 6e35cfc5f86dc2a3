"""What DigitalOcean offers everybody, and what each region has: sizes, images, networks."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from .fields import Item, refused
from .resource import Resource
from .store import State, now

_REGIONS = {
    "nyc1": "New York 1",
    "nyc3": "New York 3",
    "ams3": "Amsterdam 3",
    "sfo3": "San Francisco 3",
    "sgp1": "Singapore 1",
    "lon1": "London 1",
    "fra1": "Frankfurt 1",
    "tor1": "Toronto 1",
    "blr1": "Bangalore 1",
    "syd1": "Sydney 1",
}

# slug, memory in MB, processors, disk in GB, transfer in TB, $ a month, $ an hour
_SIZES: list[tuple[str, int, int, int, float, float, float]] = [
    ("s-1vcpu-512mb-10gb", 512, 1, 10, 0.5, 4.0, 0.00595),
    ("s-1vcpu-1gb", 1024, 1, 25, 1.0, 6.0, 0.00893),
    ("s-1vcpu-2gb", 2048, 1, 50, 2.0, 12.0, 0.01786),
    ("s-2vcpu-2gb", 2048, 2, 60, 3.0, 18.0, 0.02679),
    ("s-2vcpu-4gb", 4096, 2, 80, 4.0, 24.0, 0.03571),
    ("s-4vcpu-8gb", 8192, 4, 160, 5.0, 48.0, 0.07143),
]

_IMAGES = [
    (195000013, "debian-13-x64", "Debian", "13 x64"),
    (195000012, "debian-12-x64", "Debian", "12 x64"),
    (195000024, "ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64"),
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
        "name": name,
        "features": ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"],
        "available": True,
        "sizes": list(SIZES),
    }
    for slug, name in _REGIONS.items()
}

IMAGES: dict[str, Item] = {
    slug: {
        "id": image_id,
        "slug": slug,
        "name": name,
        "distribution": distribution,
        "type": "base",
        "public": True,
        "regions": list(_REGIONS),
        "created_at": "2026-01-15T12:00:00Z",
        "min_disk_size": 10,
        "size_gigabytes": 1.2,
        "tags": [],
        "status": "available",
        "description": f"{distribution} {name}",
    }
    for image_id, slug, distribution, name in _IMAGES
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
    """Named by slug or by number."""

    path, one, many = "images", "image", "images"
    verbs = ("list", "get")
    offered = IMAGES

    def chosen(self, item: Item, query: Mapping[str, str]) -> bool:
        # None is the account's own, and none is of an application.
        own = query.get("private") == "true" or query.get("tag_name")
        return not own and query.get("type", "") in ("", "distribution")

    def find(self, state: State, key: object, parent: str = "") -> Item:
        slugs = {str(image["id"]): slug for slug, image in IMAGES.items()}
        return super().find(state, slugs.get(str(key), key), parent)


class Volumes(Resource):
    """There are none; a check that nothing billable is left asks for them."""

    path, one, many = "volumes", "volume", "volumes"
    verbs = ("list",)


class Vpcs(Resource):
    """The account's private networks: one a region, made with the first droplet there."""

    path, one, many = "vpcs", "vpc", "vpcs"
    verbs = ("list", "get")


def vpc_of(state: State, region: str, given: Any) -> str:
    """The id of a region's network, which is the only one that a request may name."""
    for vpc in state["vpcs"].values():
        if vpc["region"] == region:
            break
    else:
        number = str(uuid.uuid4())
        vpc = state["vpcs"][number] = {
            "id": number,
            "urn": f"do:vpc:{number}",
            "name": f"default-{region}",
            "description": "",
            "region": region,
            "ip_range": f"10.{100 + list(REGIONS).index(region)}.0.0/20",
            "default": True,
            "created_at": now(),
        }
    if given not in (None, "", vpc["id"]):
        raise refused("You specified an invalid VPC for this region.")
    found: str = vpc["id"]
    return found
