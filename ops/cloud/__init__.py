"""The account at DigitalOcean: its API, prices, power, and the load balancer.

Nothing here knows what a deployment is.
"""
