output "url" {
  description = "Where the app answers once it is deployed."
  value       = "http://${local.site_ip}"
}

output "ip" {
  description = "The site's IPv4 address, which stays when the droplet is replaced."
  value       = local.site_ip
}

output "droplet_ip" {
  description = "The droplet's own public IPv4 address, for ssh."
  value       = digitalocean_droplet.app.ipv4_address
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
