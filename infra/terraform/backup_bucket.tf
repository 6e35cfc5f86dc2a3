# Where the droplet's hourly copies of the log go, if a bucket is named: a Space, and a key that
# reaches it alone. Without a name there is none of it, and nothing to pay.
variable "backup_bucket" {
  description = "Name of a Space to make for copies of the log, one that nobody else in its region has. A Space costs $5 a month, however little is in it. None by default."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.backup_bucket == "" || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.backup_bucket))
    error_message = "Give a name of 3 to 63 small letters, digits and dashes, such as \"yourname-digits-copies\", or none."
  }
}

variable "backup_bucket_region" {
  description = "Where that Space is. The droplet's region by default; another one outlives a fire in the first."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = contains(["", "ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1"], var.backup_bucket_region)
    error_message = "DigitalOcean has Spaces in ams3, atl1, blr1, fra1, lon1, nyc3, sfo2, sfo3, sgp1, syd1 and tor1. Give one of them, or none."
  }
}

# Only a key to everything may make a Space. It stays in Terraform's state.
resource "digitalocean_spaces_key" "maker" {
  count = var.backup_bucket == "" ? 0 : 1
  name  = "${var.name}-terraform"

  grant {
    bucket     = ""
    permission = "fullaccess"
  }
}

# Spaces are asked with keys of their own, the API's token opens none.
provider "digitalocean" {
  alias             = "spaces"
  spaces_access_id  = one(digitalocean_spaces_key.maker[*].access_key)
  spaces_secret_key = one(digitalocean_spaces_key.maker[*].secret_key)
}

resource "digitalocean_spaces_bucket" "copies" {
  count    = var.backup_bucket == "" ? 0 : 1
  provider = digitalocean.spaces

  name   = var.backup_bucket
  region = coalesce(var.backup_bucket_region, var.region)
  acl    = "private"

  # Whoever has the droplet's key, which a droplet in hostile hands gives away, can remove what is in the Space.
  # A plain removal keeps the version before: restic does not see it, and a person can restore it.
  versioning {
    enabled = true
  }

  # What restic removes itself, by its own rules, goes for good after as many days.
  lifecycle_rule {
    id      = "old-versions"
    enabled = true

    noncurrent_version_expiration {
      days = 30
    }

    expiration {
      expired_object_delete_marker = true
    }
  }

  # make destroy removes it with all that is in it, after a last backup. What else would remove it,
  # a name that is no longer set, say, make deploy refuses.
  force_destroy = true
}

# This one the droplet gets.
resource "digitalocean_spaces_key" "droplet" {
  count = var.backup_bucket == "" ? 0 : 1
  name  = "${var.name}-copies"

  grant {
    bucket     = digitalocean_spaces_bucket.copies[0].name
    permission = "readwrite"
  }
}

output "backup_key" {
  description = "The droplet's key to the Space for its copies."
  sensitive   = true
  value       = one([for key in digitalocean_spaces_key.droplet : { access_key = key.access_key, secret_key = key.secret_key }])
}
