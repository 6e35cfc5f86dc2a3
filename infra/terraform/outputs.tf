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

# Nobody else reads it: the next make deploy keeps what nothing sets any more (ops/terraform/earlier.py).
output "variables" {
  description = "What this was deployed with."
  sensitive   = true # else every apply would end with all of it
  value = {
    name                  = var.name
    region                = var.region
    size                  = var.size
    image                 = var.image
    ssh_public_key_path   = var.ssh_public_key_path
    allowed_ssh_addresses = var.allowed_ssh_addresses
    domain                = var.domain
    app_processes         = var.app_processes
    alert_email           = var.alert_email
    backups               = var.backups
    backup_bucket         = var.backup_bucket
    backup_bucket_region  = var.backup_bucket_region
    droplets              = var.droplets
    balancer_nodes        = var.balancer_nodes
    managed_database      = var.managed_database
    database_size         = var.database_size
    database_nodes        = var.database_nodes
  }
}
