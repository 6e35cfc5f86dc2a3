"""What stands in for the internet's registries where they cannot be reached: see README.md."""
