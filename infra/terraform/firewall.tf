locals {
  everywhere = ["0.0.0.0/0", "::/0"]
  # Several droplets take visitors from their balancer only.
  visitors = local.balanced && !var.old_address_open ? [] : local.everywhere
}

# Stands in front of the droplet: what is not named here never reaches it,
# whatever the droplet or Docker on it would answer.
resource "digitalocean_firewall" "app" {
  name        = var.name
  droplet_ids = local.balanced ? null : [digitalocean_droplet.app.id]
  # Several are guarded by their tag, each from its first moment on.
  tags = local.balanced ? [digitalocean_tag.app.name] : null

  inbound_rule {
    protocol         = "tcp"
    port_range       = "22"
    source_addresses = var.allowed_ssh_addresses
  }

  inbound_rule {
    protocol                  = "tcp"
    port_range                = "80"
    source_addresses          = local.visitors
    source_load_balancer_uids = local.balancer_ids
  }

  inbound_rule {
    protocol                  = "tcp"
    port_range                = "443"
    source_addresses          = local.visitors
    source_load_balancer_uids = local.balancer_ids
  }

  # Ping, and the messages that path MTU discovery and IPv6 depend on.
  inbound_rule {
    protocol         = "icmp"
    source_addresses = local.everywhere
  }

  outbound_rule {
    protocol              = "tcp"
    port_range            = "1-65535"
    destination_addresses = local.everywhere
  }

  outbound_rule {
    protocol              = "udp"
    port_range            = "1-65535"
    destination_addresses = local.everywhere
  }

  outbound_rule {
    protocol              = "icmp"
    destination_addresses = local.everywhere
  }
}
