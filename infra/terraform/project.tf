# Groups what belongs together in DigitalOcean's control panel and on its bill.
resource "digitalocean_project" "app" {
  name        = var.name
  description = "Recognises handwritten digits"
  purpose     = "Web Application"
  environment = "Production"
}

# Beside the project and not in it: a list in there would be all that it may hold,
# and the reserved IP, which follows the droplet by itself, would be thrown out.
resource "digitalocean_project_resources" "app" {
  project   = digitalocean_project.app.id
  resources = [digitalocean_droplet.app.urn]
}
