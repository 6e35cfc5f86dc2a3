# DigitalOcean's load balancer, before several droplets: the site's address is its own then, and
# nobody else reaches their ports 80 and 443.
variable "balancer_nodes" {
  description = "How many nodes the load balancer has, at $12 a month each: 10,000 requests a second and 10,000 connections a node. Can be changed once an hour."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.balancer_nodes >= 1 && var.balancer_nodes <= 100 && floor(var.balancer_nodes) == var.balancer_nodes
    error_message = "Give a whole number from 1 to 100; each node costs $12 a month."
  }
}

# While one droplet becomes several, its visitors come by the address that they know (ops/provision/growing.py).
variable "old_address_open" {
  description = "Whether the droplets take visitors at their own addresses, too, beside the load balancer's. Deploy sets it while one droplet becomes several."
  type        = bool
  default     = false
  nullable    = false
}

locals {
  balanced = var.droplets > 1

  # Null is as if it were not written.
  balancer_ids = local.balanced ? digitalocean_loadbalancer.app[*].id : null
}

resource "digitalocean_loadbalancer" "app" {
  count = local.balanced ? 1 : 0

  name      = var.name
  region    = digitalocean_droplet.app.region
  vpc_uuid  = digitalocean_droplet.app.vpc_uuid
  size_unit = var.balancer_nodes

  # Whoever carries the tag and is healthy gets visitors.
  droplet_tag = digitalocean_tag.app.name

  forwarding_rule {
    entry_protocol  = "http"
    entry_port      = 80
    target_protocol = "http"
    target_port     = 80
  }

  dynamic "forwarding_rule" {
    for_each = digitalocean_certificate.app
    content {
      entry_protocol   = "https"
      entry_port       = 443
      target_protocol  = "http"
      target_port      = 80
      certificate_name = forwarding_rule.value.name
    }
  }
  redirect_http_to_https = local.certified
  # The name's record is ours (load_balancer_https.tf), so it goes when this goes.
  disable_lets_encrypt_dns_records = true

  # An open page lives in one droplet's memory, so its visitor stays there.
  sticky_sessions {
    type               = "cookies"
    cookie_name        = "digits-droplet"
    cookie_ttl_seconds = 28800
  }

  # The app, through nginx, and nothing behind it: a database that is down must not leave the
  # balancer without droplets. A droplet that is down gets no more visitors after 10 seconds.
  healthcheck {
    protocol                 = "http"
    port                     = 80
    path                     = "/ready"
    check_interval_seconds   = 3
    response_timeout_seconds = 3
    unhealthy_threshold      = 3
    healthy_threshold        = 2
  }

  # An open page is a websocket, which may be silent for long: the longest there is.
  http_idle_timeout_seconds = 600

  lifecycle {
    # On the way back to one droplet, its own ports are opened before this goes.
    create_before_destroy = true
    # Where the first droplet is lost, its network is not known until it is made again, and another
    # network would replace the balancer. The region's network stays the same.
    ignore_changes = [vpc_uuid]
  }
}

resource "digitalocean_project_resources" "balancer" {
  count = local.balanced ? 1 : 0

  project   = digitalocean_project.app.id
  resources = digitalocean_loadbalancer.app[*].urn
}
