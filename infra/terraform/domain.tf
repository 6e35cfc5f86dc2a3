# Terraform makes nothing of it, since the name's A record is where the name is managed; Ansible and
# the droplet do. It is here to be checked with the other settings, before anything is made.
variable "domain" {
  description = "A name that leads to the site, beside its address, such as \"digits.example.org\". Its A record has to hold the site's address, and nothing else."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.domain == "" || can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z][a-z0-9-]*[a-z0-9]$", var.domain))
    error_message = "Give a name such as \"digits.example.org\", in small letters and without http://, or none."
  }
}
