#!/usr/bin/env python3
"""Ansible's inventory: this deployment's droplets, found as every verb finds them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ops.provision.ansible import print_inventory

sys.exit(print_inventory())
