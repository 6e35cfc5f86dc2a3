# Several droplets, their load balancer and the managed database, and that none of it is made for
# one. No account, no network.

mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "one" {
  assert {
    condition     = length(digitalocean_droplet.more) == 0 && length(digitalocean_loadbalancer.app) == 0
    error_message = "By default there should be one droplet, and nothing before it."
  }
  assert {
    condition     = length(digitalocean_database_cluster.app) == 0 && output.database == null
    error_message = "By default there should be no managed database."
  }
}

run "a_managed_database" {
  variables {
    managed_database = true
  }
  assert {
    condition     = digitalocean_database_cluster.app[0].size == "db-s-1vcpu-1gb" && digitalocean_database_cluster.app[0].node_count == 1
    error_message = "The smallest should be made."
  }
  assert {
    condition     = digitalocean_database_cluster.app[0].region == "fra1" && digitalocean_database_cluster.app[0].private_network_uuid == digitalocean_droplet.app.vpc_uuid
    error_message = "It should be beside the droplet, in the same private network."
  }
  assert {
    condition     = [for rule in digitalocean_database_firewall.app[0].rule : "${rule.type} ${rule.value}"] == ["tag digits"]
    error_message = "Only droplets with the tag should reach it."
  }
  assert {
    condition     = digitalocean_database_user.app[0].name == "digits" && digitalocean_database_db.app[0].name == "digits"
    error_message = "The app should have a user and a database of its own."
  }
  assert {
    condition     = output.database.port == "25060" && output.database.user == "digits"
    error_message = "The credentials should be an output, for Ansible."
  }
  assert {
    condition     = length(digitalocean_loadbalancer.app) == 0 && output.ip == "198.51.100.1"
    error_message = "One droplet should need no balancer."
  }
}

run "three" {
  variables {
    droplets         = 3
    managed_database = true
  }
  assert {
    condition     = { for number, droplet in digitalocean_droplet.more : number => droplet.name } == { "2" = "digits-2", "3" = "digits-3" }
    error_message = "Two more droplets should be made, each with a name of its own."
  }
  assert {
    condition = alltrue(flatten([for droplet in digitalocean_droplet.more : [
      droplet.region == digitalocean_droplet.app.region,
      droplet.size == digitalocean_droplet.app.size,
      droplet.image == digitalocean_droplet.app.image,
      droplet.monitoring == digitalocean_droplet.app.monitoring,
      droplet.tags == digitalocean_droplet.app.tags,
      droplet.ssh_keys == digitalocean_droplet.app.ssh_keys,
      droplet.user_data == digitalocean_droplet.app.user_data,
      droplet.resize_disk == digitalocean_droplet.app.resize_disk,
    ]]))
    error_message = "They should be as the first in everything but the name."
  }
  assert {
    condition     = digitalocean_loadbalancer.app[0].droplet_tag == "digits" && digitalocean_loadbalancer.app[0].size_unit == 1
    error_message = "One node should stand before whoever carries the tag."
  }
  assert {
    condition     = digitalocean_loadbalancer.app[0].http_idle_timeout_seconds == 600
    error_message = "An open page that is silent should stay open as long as can be."
  }
  assert {
    condition     = one(digitalocean_loadbalancer.app[0].sticky_sessions).type == "cookies" && one(digitalocean_loadbalancer.app[0].healthcheck).path == "/ready"
    error_message = "A visitor should stay on a droplet whose app is well."
  }
  assert {
    condition     = digitalocean_firewall.app.tags == toset(["digits"]) && length(coalesce(digitalocean_firewall.app.droplet_ids, [])) == 0
    error_message = "All droplets should be guarded, each from its first moment on."
  }
  assert {
    condition = {
      for rule in digitalocean_firewall.app.inbound_rule : coalesce(rule.port_range, rule.protocol) => coalesce(rule.source_load_balancer_uids, [])
      if length(coalesce(rule.source_addresses, [])) == 0
      } == {
      "80"  = toset(["4de7ac8b-495b-4884-9a69-1050c6793cd6"])
      "443" = toset(["4de7ac8b-495b-4884-9a69-1050c6793cd6"])
    }
    error_message = "The balancer alone should reach the droplets' ports 80 and 443."
  }
  assert {
    condition     = output.ip == "192.0.2.1" && output.url == "http://192.0.2.1"
    error_message = "The site's address should be the balancer's."
  }
}

run "watched" {
  variables {
    droplets         = 3
    managed_database = true
    alert_email      = "you@example.org"
  }
  assert {
    condition     = digitalocean_uptime_check.page[0].target == "http://192.0.2.1/health" && digitalocean_uptime_check.page[0].type == "http"
    error_message = "The look should be at the balancer."
  }
  assert {
    condition     = keys(digitalocean_uptime_alert.page) == ["down", "latency"]
    error_message = "A certificate that is not there should not be watched."
  }
}

run "a_name_on_another_dns" {
  variables {
    droplets         = 2
    managed_database = true
    domain           = "digits.example.org"
  }
  assert {
    condition     = length(digitalocean_certificate.app) == 0 && length(digitalocean_record.app) == 0
    error_message = "DigitalOcean certifies only what is on its DNS."
  }
  assert {
    condition     = !coalesce(digitalocean_loadbalancer.app[0].redirect_http_to_https, false)
    error_message = "What has no HTTPS should lead nobody there."
  }
}

run "a_name_on_its_dns" {
  variables {
    droplets         = 2
    managed_database = true
    domain           = "digits.example.org"
    alert_email      = "you@example.org"
  }
  override_data {
    target = data.digitalocean_domains.zones
    values = {
      domains = [
        { name = "example.org", urn = "do:domain:example.org", ttl = 1800 },
        { name = "org", urn = "do:domain:org", ttl = 1800 },
        { name = "ample.org", urn = "do:domain:ample.org", ttl = 1800 },
      ]
    }
  }
  assert {
    condition     = digitalocean_certificate.app[0].type == "lets_encrypt" && digitalocean_certificate.app[0].domains == toset(["digits.example.org"])
    error_message = "The name should be certified."
  }
  assert {
    condition     = digitalocean_record.app[0].domain == "example.org" && digitalocean_record.app[0].name == "digits" && digitalocean_record.app[0].value == "192.0.2.1"
    error_message = "The name should lead to the balancer."
  }
  assert {
    condition     = toset([for rule in digitalocean_loadbalancer.app[0].forwarding_rule : rule.entry_port]) == toset([80, 443]) && digitalocean_loadbalancer.app[0].redirect_http_to_https
    error_message = "The balancer should speak HTTPS, and lead there."
  }
  assert {
    condition     = digitalocean_uptime_check.page[0].target == "https://digits.example.org/health" && contains(keys(digitalocean_uptime_alert.page), "ssl_expiry")
    error_message = "The look should be at the name, and at its certificate."
  }
}

run "several_without_a_database_for_all" {
  command = plan
  variables {
    droplets = 2
  }
  expect_failures = [var.droplets]
}

run "no_numbers" {
  command = plan
  variables {
    droplets       = 0
    balancer_nodes = 0
    database_size  = "1 GB"
  }
  expect_failures = [var.droplets, var.balancer_nodes, var.database_size]
}

run "halves" {
  command = plan
  variables {
    droplets         = 1.5
    managed_database = true
    balancer_nodes   = 1.5
    database_nodes   = 1.5
  }
  expect_failures = [var.droplets, var.balancer_nodes, var.database_nodes]
}

run "the_smallest_has_one_node" {
  command = plan
  variables {
    managed_database = true
    database_nodes   = 2
  }
  expect_failures = [var.database_nodes]
}
