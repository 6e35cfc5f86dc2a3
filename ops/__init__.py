"""The operator's side: what runs on a laptop or in the pipeline to deploy and manage the app.

`python -m ops VERB` runs one; the Makefile has a line for each. The verbs are in ops/verbs, one
module each, and read as a list of what happens. Beside them is a package for each subject, such as
Terraform, ssh, backups, and the terminal. A package imports only those that stand above it
in the list of tests/rules/test_imports.py: `console` imports none, `verbs` may import all.
"""
