"""The image: how it is built, and how a droplet gets it."""
