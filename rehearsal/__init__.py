"""A DigitalOcean on this machine, to rehearse the whole deployment on: no account, no money.

`python -m rehearsal VERB` runs a verb of the Makefile against it. `api` is DigitalOcean's API,
`droplet` the machine that it makes, `offline` what stands in for the internet's registries
where they cannot be reached.
"""
