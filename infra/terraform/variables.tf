variable "name" {
  description = "Name of the droplet, its firewall and its project, and the tag by which Ansible finds the droplet. Use one that nothing else in the account has."
  type        = string
  default     = "digits"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,61}[a-z0-9]$", var.name))
    error_message = "Give a name of 2 to 63 small letters, digits and dashes that starts with a letter and does not end with a dash, such as \"digits\" or \"digits-staging\"."
  }
}

variable "region" {
  description = "Where the droplet stands: the slug of a DigitalOcean region. A change makes a new droplet."
  type        = string
  default     = "fra1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{3}[0-9]$", var.region))
    error_message = "Give the slug of a region, three small letters and a digit, such as \"fra1\" (Frankfurt), \"nyc3\" (New York) or \"sgp1\" (Singapore)."
  }
}

variable "size" {
  description = "Slug of the droplet's size: its processors, memory and price. A change restarts the droplet."
  type        = string
  default     = "s-1vcpu-1gb"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9.]+)+$", var.size))
    error_message = "Give the slug of a size, such as \"s-1vcpu-1gb\" ($6 a month) or \"s-1vcpu-2gb\" ($12 a month)."
  }

  validation {
    # Only the sizes below 1 GB are named in MB.
    condition     = !can(regex("-[0-9]+mb(-|$)", var.size))
    error_message = "${var.size} has less than 1 GB of memory, and the app with its database does not fit. Give a bigger size, such as \"s-1vcpu-1gb\" ($6 a month)."
  }
}

variable "image" {
  description = "Slug of the operating system a new droplet starts with. What Ansible does expects Debian 13. A droplet that exists keeps its own."
  type        = string
  default     = "debian-13-x64"
  nullable    = false

  validation {
    condition     = can(regex("^debian-[0-9]+-x64$", var.image))
    error_message = "Give the slug of a Debian image, such as \"debian-13-x64\": the playbooks are written for Debian."
  }
}

variable "ssh_public_key_path" {
  description = "The public half of the SSH key that may log in to the droplet."
  type        = string
  default     = "~/.ssh/id_ed25519.pub"
  nullable    = false

  validation {
    condition     = try(fileexists(pathexpand(var.ssh_public_key_path)), false)
    error_message = "There is no file ${var.ssh_public_key_path}. Give the path of a public key that you have, or make a key pair: ssh-keygen -t ed25519 -f ${trimsuffix(var.ssh_public_key_path, ".pub")}"
  }

  validation {
    # A missing file has its own message above.
    condition     = can(regex("^(ssh-|ecdsa-|sk-)", try(file(pathexpand(var.ssh_public_key_path)), "ssh-")))
    error_message = "${var.ssh_public_key_path} does not hold a public key. Give the file whose name ends in .pub; the private key stays on this machine."
  }
}

variable "allowed_ssh_addresses" {
  description = "Networks that may use SSH, as CIDR. Everybody by default, since only the key gives access; a fixed address of your own is safer still, but the deploy pipeline needs to reach SSH too."
  type        = list(string)
  default     = ["0.0.0.0/0", "::/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_ssh_addresses) > 0
    error_message = "Give at least one network, such as [\"203.0.113.7/32\"]: with none, nobody could ever log in."
  }

  validation {
    condition     = alltrue([for network in var.allowed_ssh_addresses : can(cidrhost(network, 0))])
    error_message = "Give a list of networks, each an address, a slash and a length, such as [\"203.0.113.7/32\", \"2001:db8::/64\"]. The make verbs also take plain addresses with commas: TF_VAR_allowed_ssh_addresses=203.0.113.7,198.51.100.7"
  }
}
