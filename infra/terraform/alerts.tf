# Alerts: a check of the page from outside, and alerts on what the droplet uses. None of
# it is made unless there is an address to write to (docs/alerts.md).
variable "alert_email" {
  description = "Who gets an e-mail when the page does not answer, when something on the droplet has failed, or when it runs out of processor, memory or disk. DigitalOcean writes to addresses only that it knows: your own, or one of your team's."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.alert_email == "" || can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "Give an address such as \"you@example.org\", or none."
  }
}

locals {
  alerted = var.alert_email == "" ? [] : [var.alert_email]

  # The alerts about the page. Latency in milliseconds; a certificate lives six days, and is
  # renewed when three are left.
  page_alerts = {
    down       = { period = "2m", threshold = null, comparison = null }
    latency    = { period = "5m", threshold = 3000, comparison = "greater_than" }
    ssl_expiry = { period = "1h", threshold = 2, comparison = "less_than" }
  }

  # And of the droplet: percent, for how long.
  droplet_alerts = {
    cpu                        = { value = 90, window = "30m" }
    memory_utilization_percent = { value = 90, window = "10m" }
    disk_utilization_percent   = { value = 85, window = "10m" }
  }
}

resource "digitalocean_uptime_check" "page" {
  count = length(local.alerted)

  name = var.name
  type = local.site_scheme
  # What answers there is red, too, while something on the droplet has failed (roles/app).
  target  = "${local.site_scheme}://${var.domain == "" ? local.site_ip : var.domain}/health"
  regions = ["eu_west", "us_east"]
}

resource "digitalocean_uptime_alert" "page" {
  for_each = {
    for kind, alert in local.page_alerts : kind => alert
    if var.alert_email != "" && (kind != "ssl_expiry" || local.site_scheme == "https")
  }

  check_id   = digitalocean_uptime_check.page[0].id
  name       = "${var.name}: ${each.key}"
  type       = each.key
  period     = each.value.period
  threshold  = each.value.threshold
  comparison = each.value.comparison

  notifications {
    email = local.alerted
  }
}

resource "digitalocean_monitor_alert" "droplet" {
  for_each = { for metric, alert in local.droplet_alerts : metric => alert if var.alert_email != "" }

  description = "${var.name}: ${each.key}"
  type        = "v1/insights/droplet/${each.key}"
  entities    = concat([digitalocean_droplet.app.id], values(digitalocean_droplet.more)[*].id)
  compare     = "GreaterThan"
  value       = each.value.value
  window      = each.value.window

  alerts {
    email = local.alerted
  }
}
