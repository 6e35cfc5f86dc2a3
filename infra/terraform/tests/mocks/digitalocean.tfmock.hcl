# What the mocked provider answers in every test: the attributes that DigitalOcean computes.
mock_resource "digitalocean_droplet" {
  defaults = {
    id           = "1001"
    urn          = "do:droplet:1001"
    ipv4_address = "203.0.113.10"
    region       = "fra1"
  }
}

mock_resource "digitalocean_reserved_ip" {
  defaults = {
    ip_address = "198.51.100.1"
  }
}

mock_resource "digitalocean_loadbalancer" {
  defaults = {
    id  = "4de7ac8b-495b-4884-9a69-1050c6793cd6"
    ip  = "192.0.2.1"
    urn = "do:loadbalancer:4de7ac8b-495b-4884-9a69-1050c6793cd6"
  }
}

mock_resource "digitalocean_database_cluster" {
  defaults = {
    port = 25060
  }
}
