# Groups what belongs together in DigitalOcean's control panel and on its bill.
resource "digitalocean_project" "app" {
  name        = var.name
  description = "Recognises handwritten digits"
  purpose     = "Web Application"
  environment = "Production"
  resources   = [digitalocean_droplet.app.urn]
}
