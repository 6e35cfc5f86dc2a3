"""The SSH connection to a droplet, what its errors mean, and the command `digits` over there."""
