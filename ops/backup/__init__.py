"""Backups: dumps on this machine, offsite backups, and what a new droplet starts with."""
