"""The deployment: which droplets, addresses and other resources of the account belong to it.

`fleet` does something to its droplets one after another.
"""
