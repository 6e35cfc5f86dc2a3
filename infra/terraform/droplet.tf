# Ansible asks the API for the droplets with this tag: that is the inventory.
resource "digitalocean_tag" "app" {
  name = var.name

  lifecycle {
    # When the name changes, the droplet moves to the new tag before the old one
    # goes: from a tag that is gone, it could not be taken off.
    create_before_destroy = true
  }
}

resource "digitalocean_droplet" "app" {
  name       = var.name
  region     = var.region
  size       = var.size
  image      = var.image
  monitoring = true
  tags       = [digitalocean_tag.app.name]
  ssh_keys   = [digitalocean_ssh_key.deploy.id]
  user_data  = file("${path.module}/cloud-init.yaml")

  # Off by default: droplet_backups.tf.
  backups = var.backups != "off"
  dynamic "backup_policy" {
    for_each = var.backups == "off" ? [] : [var.backups]
    content {
      plan    = backup_policy.value
      weekday = backup_policy.value == "weekly" ? "SUN" : null
      hour    = 0
    }
  }

  # The disk stays as it is when the size changes. A disk can only grow, so
  # growing it would make going back to a smaller size impossible.
  resize_disk = false

  lifecycle {
    # All three matter only when a droplet is born. Without this line, a newer
    # image or another key would silently replace the droplet and its data.
    ignore_changes = [image, user_data, ssh_keys]
  }
}
