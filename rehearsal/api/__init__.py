"""A local stand-in for the part of the DigitalOcean API that this project uses."""
