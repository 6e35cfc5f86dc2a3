# Every value that cannot work is refused before anything is made. Each run has
# one bad value for every variable that still has one to try.

mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "in_words" {
  command = plan
  variables {
    name                  = "My digits"
    region                = "Frankfurt"
    size                  = "1 GB"
    image                 = "Debian 13"
    ssh_public_key_path   = "./tests/fixtures/missing.pub"
    allowed_ssh_addresses = ["home"]
    backups               = "often"
    backup_bucket         = "My copies"
    backup_bucket_region  = "Frankfurt"
  }
  expect_failures = [var.name, var.region, var.size, var.image, var.ssh_public_key_path, var.allowed_ssh_addresses, var.backups, var.backup_bucket, var.backup_bucket_region]
}

run "empty" {
  command = plan
  variables {
    name                  = ""
    region                = ""
    size                  = ""
    image                 = ""
    ssh_public_key_path   = ""
    allowed_ssh_addresses = []
  }
  expect_failures = [var.name, var.region, var.size, var.image, var.ssh_public_key_path, var.allowed_ssh_addresses]
}

run "almost_right" {
  command = plan
  variables {
    name                  = "my_digits"
    region                = "fra"
    size                  = "1gb"
    image                 = "ubuntu-24-04-x64"
    ssh_public_key_path   = "./tests/fixtures/not_a_key.pub"
    allowed_ssh_addresses = ["203.0.113.7"]
  }
  expect_failures = [var.name, var.region, var.size, var.image, var.ssh_public_key_path, var.allowed_ssh_addresses]
}

run "capitals" {
  command = plan
  variables {
    name                  = "Digits"
    region                = "FRA1"
    size                  = "S-1VCPU-1GB"
    image                 = "Debian-13-x64"
    allowed_ssh_addresses = ["203.0.113.256/32"]
  }
  expect_failures = [var.name, var.region, var.size, var.image, var.allowed_ssh_addresses]
}

run "name_ends_with_a_dash" {
  command = plan
  variables {
    name = "digits-"
  }
  expect_failures = [var.name]
}

run "name_of_one_letter" {
  command = plan
  variables {
    name = "d"
  }
  expect_failures = [var.name]
}

run "name_of_64_letters" {
  command = plan
  variables {
    name = join("", [for i in range(64) : "a"])
  }
  expect_failures = [var.name]
}

run "less_memory_than_the_app_needs" {
  command = plan
  variables {
    size = "s-1vcpu-512mb-10gb"
  }
  expect_failures = [var.size]
}
