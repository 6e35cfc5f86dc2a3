"""Terraform: how it is run, what its state holds, and which plans are refused."""
