"""The server, as Ansible sets it up: the playbook, its drift, the package of the command `digits`.

`cut_over` is the way from one droplet to several without downtime.
"""
