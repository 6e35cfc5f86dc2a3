# Terraform does not use it; Ansible does (ops/deployment/processes.py). It is a variable so that
# Terraform checks it together with the others, before anything is made.
variable "app_processes" {
  description = "How many processes the app has, one for each processor at best. Without it, as many as the droplet's size has processors, and memory for."
  type        = number
  default     = null

  validation {
    condition     = var.app_processes == null ? true : var.app_processes >= 1 && var.app_processes <= 16 && floor(var.app_processes) == var.app_processes
    error_message = "Give a whole number from 1 to 16, or none: then the app has one process for each of the droplet's processors."
  }
}
