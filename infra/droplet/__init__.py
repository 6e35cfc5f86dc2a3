"""What runs on the droplet: one command, `digits`, for releases, backups, database and certificate.

`verbs` ← `release`, `restore`, `upgrade`, ... ← `recover` ← `host`: every import points down.
Standard library only, for Python 3.11 and newer. Nothing here knows of DigitalOcean or of ops/.
"""
