# The site's address. It is not the droplet's own, so that it stays when the
# droplet is replaced. Free while it is assigned.
resource "digitalocean_reserved_ip" "app" {
  region     = digitalocean_droplet.app.region
  droplet_id = digitalocean_droplet.app.id

  # It follows its droplet into the project, and cannot leave it alone: first it
  # goes, then the project.
  depends_on = [digitalocean_project_resources.app]
}

locals {
  # Several droplets have their balancer's.
  site_ip = coalesce(one(digitalocean_loadbalancer.app[*].ip), digitalocean_reserved_ip.app.ip_address)
}
