"""Spaces, asked over S3 with keys of their own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from .client import ApiError


@dataclass(frozen=True)
class Spaces:
    """Where Spaces are, and the keys that open them, as the real provider reads them."""

    endpoint: str
    access_id: str
    secret_key: str

    @classmethod
    def configured(cls, config: dict[str, Any]) -> Spaces:
        """From the provider block and the environment. A key that is not known yet is none."""

        def setting(name: str, variable: str, default: str = "") -> str:
            given = config.get(name)
            return given if isinstance(given, str) and given else os.environ.get(variable, default)

        return cls(
            setting("spaces_endpoint", "SPACES_ENDPOINT_URL"),
            setting("spaces_access_id", "SPACES_ACCESS_KEY_ID"),
            setting("spaces_secret_key", "SPACES_SECRET_ACCESS_KEY"),
        )

    def in_region(self, region: str) -> Any:
        """Amazon's own client for the Spaces of a region."""
        import boto3  # takes a second
        from botocore.config import Config

        if not (self.access_id and self.secret_key):
            raise ApiError(0, "Spaces credentials not configured")
        if not self.endpoint:
            raise ApiError(
                0, "SPACES_ENDPOINT_URL is not set, and the rehearsal keeps to this machine"
            )
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint.replace("{{.Region}}", region),
            region_name="us-east-1",
            aws_access_key_id=self.access_id,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, proxies={}),
        )
