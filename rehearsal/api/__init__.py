"""A local stand-in for the part of the DigitalOcean API that this project uses.

A kind of resource is a table of fields (`fields.py`) in a subclass of `Resource` (`resource.py`)
that has a path. `cloud.py` runs the droplets, `reconciler.py` what stands behind load balancers and
databases: each says what it asks of Docker.
"""
