# DigitalOcean's managed PostgreSQL in the place of the one on the droplet (docs/scaling.md): its own
# machine, with backups of every moment of the last seven days.
variable "managed_database" {
  description = "Whether what is logged goes to DigitalOcean's managed PostgreSQL ($15 a month and more). Needed by several droplets."
  type        = bool
  default     = false
  nullable    = false
}

variable "database_size" {
  description = "Slug of the managed database's size: its processors, memory, price, and how many connections it takes (22 for each GB of memory)."
  type        = string
  default     = "db-s-1vcpu-1gb"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9.]+)+$", var.database_size))
    error_message = "Give the slug of a database's size, such as \"db-s-1vcpu-1gb\" ($15 a month) or \"db-s-1vcpu-2gb\" ($30 a month)."
  }
}

variable "database_nodes" {
  description = "How many machines the managed database has: with 2 or 3, another takes over when the first fails. Each costs the size's price; db-s-1vcpu-1gb has 1 only."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 2, 3], var.database_nodes)
    error_message = "Give 1, 2 or 3."
  }

  validation {
    condition     = var.database_nodes == 1 || var.database_size != "db-s-1vcpu-1gb"
    error_message = "The size db-s-1vcpu-1gb has one node only. Give a larger one, too: export TF_VAR_database_size=db-s-1vcpu-2gb"
  }
}

resource "digitalocean_database_cluster" "app" {
  count = var.managed_database ? 1 : 0

  name                 = var.name
  engine               = "pg"
  version              = "17"
  size                 = var.database_size
  node_count           = var.database_nodes
  region               = digitalocean_droplet.app.region
  private_network_uuid = digitalocean_droplet.app.vpc_uuid

  lifecycle {
    # Another name or network would replace it, and with it the data. Another version is moved to at
    # DigitalOcean, and there is no way back.
    ignore_changes = [name, private_network_uuid, version]
  }
}

resource "digitalocean_database_db" "app" {
  count = var.managed_database ? 1 : 0

  cluster_id = digitalocean_database_cluster.app[0].id
  name       = "digits"
}

resource "digitalocean_database_user" "app" {
  count = var.managed_database ? 1 : 0

  cluster_id = digitalocean_database_cluster.app[0].id
  name       = "digits"
}

# Without this one, everybody may knock.
resource "digitalocean_database_firewall" "app" {
  count = var.managed_database ? 1 : 0

  cluster_id = digitalocean_database_cluster.app[0].id

  rule {
    type  = "tag"
    value = digitalocean_tag.app.name
  }
}

resource "digitalocean_project_resources" "database" {
  count = var.managed_database ? 1 : 0

  project   = digitalocean_project.app.id
  resources = digitalocean_database_cluster.app[*].urn
}

# What a client checks that it talks to the database by.
data "digitalocean_database_ca" "app" {
  count = var.managed_database ? 1 : 0

  cluster_id = digitalocean_database_cluster.app[0].id
}

output "database" {
  description = "The credentials of the managed database, over the private network; and of its administrator, which only a migration needs."
  sensitive   = true
  value = one([for cluster in digitalocean_database_cluster.app : {
    host           = cluster.private_host
    port           = tostring(cluster.port)
    database       = digitalocean_database_db.app[0].name
    user           = digitalocean_database_user.app[0].name
    password       = digitalocean_database_user.app[0].password
    ca             = data.digitalocean_database_ca.app[0].certificate
    admin          = cluster.user
    admin_password = cluster.password
  }])
}
