# DigitalOcean's own backups: pictures of the whole disk, which only DigitalOcean can put back.
# They go when the droplet is destroyed, so they are no copies of the log outside it.
variable "backups" {
  description = "How often DigitalOcean backs the whole droplet up: \"off\", \"weekly\" for 20% of the droplet's price, or \"daily\" for 30%."
  type        = string
  default     = "off"
  nullable    = false

  validation {
    condition     = contains(["off", "weekly", "daily"], var.backups)
    error_message = "Give \"off\", \"weekly\" (20% of the droplet's price) or \"daily\" (30%)."
  }
}
