"""The alerts of a deployment (infra/terraform/alerts.tf), as Terraform and the API name them."""

from __future__ import annotations

CHECK = "digitalocean_uptime_check"
ON_THE_PAGE = "digitalocean_uptime_alert"
ON_THE_DROPLET = "digitalocean_monitor_alert"
KINDS = (CHECK, ON_THE_PAGE, ON_THE_DROPLET)

# The lists that show what the token has to read and write for them, and the scopes.
SCOPES = {"uptime/checks": "uptime", "monitoring/alerts": "monitoring"}

# The names that they have in alerts.tf, and so in Terraform's addresses.
OF_THE_PAGE = ("down", "latency", "ssl_expiry")
OF_THE_DROPLET = ("cpu", "memory_utilization_percent", "disk_utilization_percent")
