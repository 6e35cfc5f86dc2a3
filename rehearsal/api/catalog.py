"""What DigitalOcean offers everybody: regions, sizes and images."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from .endpoint import Answer, page_of, query
from .errors import not_found

routes = Blueprint("catalog", __name__)

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

SIZES: dict[str, dict[str, Any]] = {
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

REGIONS: dict[str, dict[str, Any]] = {
    slug: {
        "slug": slug,
        "name": name,
        "features": ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"],
        "available": True,
        "sizes": list(SIZES),
    }
    for slug, name in _REGIONS.items()
}

IMAGES: dict[str, dict[str, Any]] = {
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


def find_image(key: object) -> dict[str, Any] | None:
    """The image with this slug or id."""
    for slug, image in IMAGES.items():
        if str(key) in (slug, str(image["id"])):
            return image
    return None


@routes.get("/v2/regions")
def list_regions() -> Answer:
    return page_of("regions", list(REGIONS.values()))


@routes.get("/v2/sizes")
def list_sizes() -> Answer:
    return page_of("sizes", list(SIZES.values()))


@routes.get("/v2/images")
def list_images() -> Answer:
    nothing_of_ones_own = query("private") == "true" or query("tag_name")
    other_kind = query("type") not in (None, "", "distribution")
    return page_of("images", [] if nothing_of_ones_own or other_kind else list(IMAGES.values()))


@routes.get("/v2/images/<image_id>")
def get_image(image_id: str) -> Answer:
    image = find_image(image_id)
    if image is None:
        raise not_found()
    return {"image": image}, 200
