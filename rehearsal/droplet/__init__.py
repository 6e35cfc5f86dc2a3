"""Droplets of the rehearsal: Debian 13 servers in containers."""
