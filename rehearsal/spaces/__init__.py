"""The rehearsal's Spaces, which speak S3. Their keys are the API's (rehearsal/api/spaces.py)."""
