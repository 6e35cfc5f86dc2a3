# HTTPS at the balancer: for a domain whose zone is at DigitalOcean's DNS, with a certificate that
# DigitalOcean gets and renews itself. Without one the balancer speaks HTTP.
data "digitalocean_domains" "zones" {
  count = local.balanced && var.domain != "" ? 1 : 0
}

locals {
  # digits.example.org is in example.org: of the zones that it may be in, the longest.
  zones = [
    for zone in flatten(data.digitalocean_domains.zones[*].domains) : zone.name
    if endswith(".${var.domain}", ".${zone.name}")
  ]
  zone = one([for name in local.zones : name if length(name) == max(0, [for other in local.zones : length(other)]...)])

  certified   = local.zone != null
  site_scheme = local.balanced && !local.certified ? "http" : "https"
}

resource "digitalocean_certificate" "app" {
  count = local.certified ? 1 : 0

  name    = "${var.name}-${replace(var.domain, ".", "-")}"
  type    = "lets_encrypt"
  domains = [var.domain]

  lifecycle {
    # One that the balancer shows cannot be removed.
    create_before_destroy = true
  }
}

resource "digitalocean_record" "app" {
  count = local.certified ? 1 : 0

  domain = local.zone
  type   = "A"
  name   = var.domain == local.zone ? "@" : trimsuffix(var.domain, ".${local.zone}")
  value  = digitalocean_loadbalancer.app[0].ip
  ttl    = 300
}
