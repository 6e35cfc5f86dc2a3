# What is made for an address to write to, and that none of it is made without. No account, no network.

mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "none" {
  assert {
    condition     = length(digitalocean_uptime_check.page) == 0 && length(digitalocean_uptime_alert.page) == 0
    error_message = "Without an address, nobody should look."
  }
  assert {
    condition     = length(digitalocean_monitor_alert.droplet) == 0
    error_message = "Without an address, nothing should be measured against a limit."
  }
}

run "an_address" {
  variables {
    alert_email = "you@example.org"
  }
  assert {
    condition     = digitalocean_uptime_check.page[0].target == "https://198.51.100.1/health"
    error_message = "The look should be at the health path of the site's address."
  }
  assert {
    condition     = keys(digitalocean_uptime_alert.page) == ["down", "latency", "ssl_expiry"]
    error_message = "All three alerts on the page should be made."
  }
  assert {
    condition = alltrue([
      for alert in digitalocean_monitor_alert.droplet : alert.entities == toset(["1001"])
    ])
    error_message = "The alerts should be about this droplet."
  }
}

run "a_domain" {
  variables {
    alert_email = "you@example.org"
    domain      = "digits.example.org"
  }
  assert {
    condition     = digitalocean_uptime_check.page[0].target == "https://digits.example.org/health"
    error_message = "With a domain, the look should be there."
  }
}

run "no_address" {
  command = plan
  variables {
    alert_email = "you"
  }
  expect_failures = [var.alert_email]
}
