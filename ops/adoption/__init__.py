"""Taking an existing deployment into Terraform's state, and what conflicts with a new one."""
