"""A stand-in for Terraform's DigitalOcean provider, where its registry is out of reach.

It knows the resources and attributes that infra/terraform uses, behaves as the
real provider does with them, and talks to the rehearsal's API only.
"""
