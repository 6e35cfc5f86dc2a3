"""What stands behind the rehearsal's load balancers and managed databases: containers."""
