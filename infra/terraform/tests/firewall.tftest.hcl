# The firewall lets in SSH, HTTP, HTTPS and ping, and nothing else.

mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "defaults" {
  assert {
    condition     = digitalocean_firewall.app.droplet_ids == toset([1001])
    error_message = "The firewall should stand in front of the droplet."
  }

  assert {
    condition = toset([
      for rule in digitalocean_firewall.app.inbound_rule : "${rule.protocol} ${coalesce(rule.port_range, "-")}"
    ]) == toset(["tcp 22", "tcp 80", "tcp 443", "icmp -"])
    error_message = "Only 22, 80, 443 and icmp should be open."
  }
  assert {
    condition = alltrue([
      for rule in digitalocean_firewall.app.inbound_rule : rule.source_addresses == toset(["0.0.0.0/0", "::/0"])
    ])
    error_message = "Every rule should hold for IPv4 and IPv6 alike."
  }

  assert {
    condition = toset([
      for rule in digitalocean_firewall.app.outbound_rule : "${rule.protocol} ${coalesce(rule.port_range, "-")}"
    ]) == toset(["tcp 1-65535", "udp 1-65535", "icmp -"])
    error_message = "The droplet should be able to reach everything."
  }
  assert {
    condition = alltrue([
      for rule in digitalocean_firewall.app.outbound_rule : rule.destination_addresses == toset(["0.0.0.0/0", "::/0"])
    ])
    error_message = "Every rule should hold for IPv4 and IPv6 alike."
  }
}

run "ssh_only_from_one_network" {
  variables {
    allowed_ssh_addresses = ["203.0.113.7/32"]
  }
  assert {
    condition = {
      for rule in digitalocean_firewall.app.inbound_rule : coalesce(rule.port_range, rule.protocol) => rule.source_addresses
      } == {
      "22"   = toset(["203.0.113.7/32"])
      "80"   = toset(["0.0.0.0/0", "::/0"])
      "443"  = toset(["0.0.0.0/0", "::/0"])
      "icmp" = toset(["0.0.0.0/0", "::/0"])
    }
    error_message = "Only SSH should be narrowed."
  }
}
