# How many processes the app has is a number, and changes nothing that Terraform makes.
mock_provider "digitalocean" {
  source = "./tests/mocks"
}

mock_provider "digitalocean" {
  alias = "spaces"
}

run "none_is_set" {
  command = plan
  assert {
    condition     = var.app_processes == null
    error_message = "Without it, the droplet's size decides."
  }
}

run "a_number" {
  command = plan
  variables {
    app_processes = 4
  }
}

run "none_at_all" {
  command = plan
  variables {
    app_processes = 0
  }
  expect_failures = [var.app_processes]
}

run "half_a_process" {
  command = plan
  variables {
    app_processes = 1.5
  }
  expect_failures = [var.app_processes]
}

run "too_many" {
  command = plan
  variables {
    app_processes = 17
  }
  expect_failures = [var.app_processes]
}
