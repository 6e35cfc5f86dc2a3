"""The rehearsal's Spaces, which speak S3. Their keys are the API's (rehearsal/api/spaces.py).

Not rehearsed: a bucket by Terraform's real provider, where its registry answers. It asks for one
at a host name of its own, BUCKET.ADDRESS, and an address of this machine has no such names.
"""
