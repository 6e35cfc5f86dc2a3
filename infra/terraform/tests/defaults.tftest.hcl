# What is made with nothing but an SSH key given. No account, no network.

mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "defaults" {
  assert {
    condition     = digitalocean_droplet.app.name == "digits"
    error_message = "The droplet should be called digits."
  }
  assert {
    condition     = digitalocean_droplet.app.region == "fra1"
    error_message = "The droplet should stand in fra1."
  }
  assert {
    condition     = digitalocean_droplet.app.size == "s-1vcpu-1gb"
    error_message = "The droplet should have the $6 size."
  }
  assert {
    condition     = digitalocean_droplet.app.image == "debian-13-x64"
    error_message = "The droplet should run Debian 13."
  }
  assert {
    condition     = digitalocean_droplet.app.monitoring
    error_message = "The droplet should report its metrics."
  }
  assert {
    condition     = digitalocean_droplet.app.resize_disk == false
    error_message = "A bigger size should not grow the disk, so that it can be undone."
  }
  assert {
    condition     = digitalocean_droplet.app.tags == toset(["digits"])
    error_message = "The droplet should have the tag that the inventory asks for, and no other."
  }
  assert {
    condition     = digitalocean_droplet.app.ssh_keys == toset([digitalocean_ssh_key.deploy.id])
    error_message = "Exactly the given key should have access."
  }
  assert {
    condition     = startswith(digitalocean_droplet.app.user_data, "#cloud-config\n")
    error_message = "cloud-init reads user data only if its first line is #cloud-config."
  }
  assert {
    condition     = yamldecode(digitalocean_droplet.app.user_data).ssh_pwauth == false
    error_message = "Passwords should not open SSH."
  }

  assert {
    condition     = digitalocean_ssh_key.deploy.public_key == trimspace(file("./tests/fixtures/key.pub"))
    error_message = "The key in the account should be the key in the file, without its line end."
  }

  assert {
    condition     = digitalocean_project_resources.app.resources == toset(["do:droplet:1001"])
    error_message = "The project should be given the droplet, which its reserved IP follows by itself."
  }
  assert {
    condition     = digitalocean_project_resources.app.project == digitalocean_project.app.id
    error_message = "The droplet should be put into the deployment's own project."
  }
  assert {
    condition     = digitalocean_project.app.environment == "Production" && digitalocean_project.app.purpose == "Web Application"
    error_message = "The project should be a web application in production."
  }

  assert {
    condition     = digitalocean_reserved_ip.app.droplet_id == 1001 && digitalocean_reserved_ip.app.region == "fra1"
    error_message = "The reserved IP should be the droplet's, in the same region."
  }
  assert {
    condition     = output.ip == "198.51.100.1" && output.url == "http://198.51.100.1"
    error_message = "The URL should be the reserved IP over HTTP."
  }
  assert {
    condition     = output.droplet_ip == "203.0.113.10"
    error_message = "The droplet's own address should be an output, too."
  }
  assert {
    condition     = output.droplet_name == "digits" && output.droplet_id == "1001" && output.tag == "digits"
    error_message = "Name, id and tag should be the droplet's."
  }
}

run "another_name" {
  variables {
    name = "digits-staging"
  }
  assert {
    condition = alltrue([for name in [
      digitalocean_ssh_key.deploy.name,
      digitalocean_tag.app.name,
      digitalocean_droplet.app.name,
      digitalocean_firewall.app.name,
      digitalocean_project.app.name,
    ] : name == "digits-staging"])
    error_message = "Everything should carry the given name, so that two deployments do not meet."
  }
}

run "weekly_backups" {
  command = plan
  variables {
    backups = "weekly"
  }
  assert {
    condition     = digitalocean_droplet.app.backups
    error_message = "DigitalOcean should back the droplet up."
  }
  assert {
    condition     = one(digitalocean_droplet.app.backup_policy).plan == "weekly"
    error_message = "It should do so every week."
  }
}

run "no_copies_elsewhere" {
  command = plan
  assert {
    condition     = !digitalocean_droplet.app.backups && length(digitalocean_spaces_bucket.copies) == 0 && length(digitalocean_spaces_key.maker) == 0
    error_message = "By default nothing more should be made, and nothing more paid."
  }
}
