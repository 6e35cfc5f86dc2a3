"""The operator's side: what runs on a laptop or in the pipeline to deploy and look after the app.

`python -m ops VERB` runs one; the Makefile has a line for each. The verbs are in ops/verbs, one
module each, and read as a list of what happens. Beside them, one module each, is what they talk
to: Terraform, Ansible, ssh, DigitalOcean, Docker, GitHub, and the person who typed.
"""
