"""A stand-in for Terraform's DigitalOcean provider, where its registry is out of reach.

A resource is a table of fields (`schema.py`) in a subclass of `Resource` (`resource.py`), which
`servicer.py` lists and answers Terraform from. It has what infra/terraform uses, behaves as the
real provider does with it, and talks to the rehearsal's API only, which alone refuses values.
"""
