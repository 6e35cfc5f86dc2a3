"""The server, as Ansible sets it up: the playbook, its drift, the package of the command `digits`.

`growing` is what several droplets and the managed database need.
"""
