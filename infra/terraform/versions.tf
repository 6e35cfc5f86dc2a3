terraform {
  required_version = ">= 1.9"

  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = "2.99.1"
    }
  }
}

# The token comes from the environment (DIGITALOCEAN_TOKEN), so it never
# reaches a file or the state.
provider "digitalocean" {}
