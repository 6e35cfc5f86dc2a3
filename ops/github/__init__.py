"""The repository on GitHub, and the credentials of the pipeline there and on the droplet."""
