resource "digitalocean_ssh_key" "deploy" {
  name       = var.name
  public_key = trimspace(file(pathexpand(var.ssh_public_key_path)))
}
