# More droplets than one (docs/scaling.md). The first, in droplet.tf, is the same whether it is alone
# or not: so others come and go without touching it.
variable "droplets" {
  description = "How many droplets serve the page. More than one stand behind DigitalOcean's load balancer ($12 a month for each of its nodes), and need the managed database."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = var.droplets >= 1 && floor(var.droplets) == var.droplets
    error_message = "Give a whole number of droplets, 1 or more."
  }

  validation {
    condition     = var.droplets == 1 || var.managed_database
    error_message = "Several droplets need one database that all of them reach; the one on the first droplet is that droplet's own. Take the managed one, too: export TF_VAR_managed_database=true"
  }
}

locals {
  # By number and not by name, so that a new name is no new droplet: 2, 3, ...
  more = toset([for number in range(2, var.droplets + 1) : tostring(number)])
}

# As the first one in everything but the name (tests/droplets.tftest.hcl).
resource "digitalocean_droplet" "more" {
  for_each = local.more

  name       = "${var.name}-${each.key}"
  region     = var.region
  size       = var.size
  image      = var.image
  monitoring = true
  tags       = [digitalocean_tag.app.name]
  ssh_keys   = [digitalocean_ssh_key.deploy.id]
  user_data  = file("${path.module}/cloud-init.yaml")

  # What is logged is in the managed database, so there is nothing here to back up.
  backups     = false
  resize_disk = false

  lifecycle {
    ignore_changes = [image, user_data, ssh_keys]
  }
}

resource "digitalocean_project_resources" "more" {
  count = var.droplets > 1 ? 1 : 0

  project   = digitalocean_project.app.id
  resources = values(digitalocean_droplet.more)[*].urn
}
