output "ip" {
  description = "The droplet's public IPv4 address."
  value       = digitalocean_droplet.app.ipv4_address
}

output "url" {
  description = "Where the app answers once it is deployed."
  value       = "http://${digitalocean_droplet.app.ipv4_address}"
}

output "droplet_name" {
  description = "The droplet's name."
  value       = digitalocean_droplet.app.name
}

output "droplet_id" {
  description = "The droplet's id in the DigitalOcean API."
  value       = digitalocean_droplet.app.id
}

output "tag" {
  description = "The tag by which Ansible finds the droplet."
  value       = digitalocean_tag.app.name
}
