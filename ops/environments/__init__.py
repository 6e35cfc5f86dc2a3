"""The project's Python environments: made from their lock files, and the lock files themselves.

`refresh` runs before there is an environment, so it needs nothing but Python's standard library.
"""
