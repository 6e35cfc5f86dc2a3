# What would silently replace a droplet that exists is ignored, and one that is
# replaced leaves the site its address.

mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "first_deploy" {
  command = apply
}

run "newer_image" {
  command = plan
  variables {
    image = "debian-14-x64"
  }
  assert {
    condition     = digitalocean_droplet.app.image == "debian-13-x64"
    error_message = "Another image should not touch the droplet."
  }
  assert {
    # A droplet about to be replaced has no id yet, and this would fail.
    condition     = digitalocean_droplet.app.id == "1001"
    error_message = "The droplet should stay the same."
  }
}

run "another_key" {
  command = plan
  variables {
    ssh_public_key_path = "./tests/fixtures/other_key.pub"
  }
  assert {
    condition     = digitalocean_droplet.app.id == "1001"
    error_message = "Another SSH key should not touch the droplet."
  }
}

run "another_droplet" {
  command = plan
  plan_options {
    replace = [digitalocean_droplet.app]
  }
  assert {
    # An address about to be replaced would not be known yet, and this would fail.
    condition     = digitalocean_reserved_ip.app.ip_address == run.first_deploy.ip
    error_message = "The site's address should outlive the droplet."
  }
}
