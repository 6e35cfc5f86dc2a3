"""A local stand-in for the part of the DigitalOcean API that this project uses.

A kind of resource is a table of fields (`fields.py`) in a subclass of `Resource` (`resource.py`),
which `server.py` lists. `cloud.py` runs the droplets, `reconciler.py` what stands behind balancers
and databases; `machines.py` is what they ask of Docker. `faults.py` lets requests fail for tests.
"""
