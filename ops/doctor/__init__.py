"""Checks of everything a deployment needs and has; they change nothing.

One line a finding: ok, warn or FAIL with its one fix, or skip with its reason.
"""
