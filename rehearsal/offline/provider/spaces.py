"""Spaces, asked over S3 with keys of their own, and those keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .client import ApiError
from .resource import Resource
from .schema import State, block, computed, optional, required, whole

_MARKER = "ExpiredObjectDeleteMarker"


@dataclass(frozen=True)
class Spaces:
    """Where Spaces are, and the keys that open them, as the real provider reads them."""

    endpoint: str
    access_id: str
    secret_key: str

    @classmethod
    def configured(cls, config: dict[str, Any]) -> Spaces:
        """From the provider block and the environment. A key that is not known yet is none."""

        def setting(name: str, variable: str) -> str:
            given = config.get(name)
            return given if isinstance(given, str) and given else os.environ.get(variable, "")

        return cls(
            setting("spaces_endpoint", "SPACES_ENDPOINT_URL"),
            setting("spaces_access_id", "SPACES_ACCESS_KEY_ID"),
            setting("spaces_secret_key", "SPACES_SECRET_ACCESS_KEY"),
        )

    @contextmanager
    def in_region(self, region: str) -> Iterator[Any]:
        """Amazon's own client for the Spaces of a region. Its errors become ApiError."""
        import boto3  # takes a second
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        if not (self.access_id and self.secret_key):
            raise ApiError(0, "Spaces credentials not configured")
        if not self.endpoint:
            raise ApiError(
                0, "SPACES_ENDPOINT_URL is not set, and the rehearsal keeps to this machine"
            )
        try:
            yield boto3.client(
                "s3",
                endpoint_url=self.endpoint.replace("{{.Region}}", region),
                region_name="us-east-1",
                aws_access_key_id=self.access_id,
                aws_secret_access_key=self.secret_key,
                config=Config(s3={"addressing_style": "path"}, proxies={}),
            )
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise ApiError(status, str(error)) from error
        except BotoCoreError as error:
            raise ApiError(0, str(error)) from error


class SpacesKey(Resource):
    name, title = "spaces_key", "spaces key"
    path, one = "spaces/keys", "key"
    key = "access_key"
    fields = {
        "name": required(),
        "access_key": computed(),
        "secret_key": computed(sensitive=True, read=""),
        "grant": block(
            {"bucket": required(unset=""), "permission": required()},
            ordered=True,
            api="grants",
            unset=[],
        ),
    }

    def create(self, planned: State) -> State:
        made = self.client.request("POST", self.at(planned), self.body(planned))[self.one]
        planned["id"] = made["access_key"]
        # Shown this once.
        return self.found(planned | {"secret_key": made["secret_key"]}, made)

    def import_(self, state: State) -> State:
        raise ApiError(0, f"resource digitalocean_{self.name} doesn't support import")


class SpacesBucket(Resource):
    name, title = "spaces_bucket", "bucket"
    fields = {
        "name": required(),
        "region": optional(default="nyc3", force_new=True, state=str.lower),
        "acl": optional(default="private"),
        "force_destroy": optional("bool", default=False),
        "versioning": block({"enabled": optional("bool")}, ordered=True, single=True),
        "lifecycle_rule": block(
            {
                "id": optional(),
                "enabled": required("bool"),
                "expiration": block(
                    {"expired_object_delete_marker": optional("bool")}, single=True
                ),
                "noncurrent_version_expiration": block({"days": optional("number")}, single=True),
            },
            ordered=True,
        ),
    }

    def create(self, planned: State) -> State:
        with self.provider.spaces.in_region(planned["region"]) as s3:
            s3.create_bucket(Bucket=planned["name"], ACL=planned["acl"])
            planned["id"] = planned["name"]
            _keep_versions(s3, planned)
        return self.read(planned)

    def read(self, state: State) -> State:
        with self.provider.spaces.in_region(state["region"]) as s3:
            s3.head_bucket(Bucket=state["id"])
            versioning = s3.get_bucket_versioning(Bucket=state["id"]).get("Status")
            rules = _rules(s3, state["id"])
        versions = [{"enabled": versioning == "Enabled"}]
        return state | {"versioning": versions, "lifecycle_rule": rules}

    def import_(self, state: State) -> State:
        region, _, name = state["id"].partition(",")
        if not name:
            raise ApiError(0, "importing a Spaces bucket requires the format: <region>,<name>")
        return self.read(state | {"id": name, "name": name, "region": region})

    def update(self, current: State, planned: State) -> State:
        with self.provider.spaces.in_region(planned["region"]) as s3:
            s3.put_bucket_acl(Bucket=planned["name"], ACL=planned["acl"])
            _keep_versions(s3, planned)
        return self.read(planned)

    def delete(self, state: State) -> None:
        bucket = state["id"]
        with self.provider.spaces.in_region(state["region"]) as s3:
            if state["force_destroy"]:
                for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                    for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                        s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
            s3.delete_bucket(Bucket=bucket)


def _keep_versions(s3: Any, planned: State) -> None:
    """Versioning, and which versions go again."""
    bucket = planned["name"]
    for versioning in planned["versioning"] or ():
        status = {"Status": "Enabled" if versioning["enabled"] else "Suspended"}
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=status)
    rules: list[State] = []
    for rule in planned["lifecycle_rule"] or ():
        enabled = "Enabled" if rule["enabled"] else "Disabled"
        made: State = {"ID": rule["id"], "Status": enabled, "Filter": {"Prefix": ""}}
        for one in rule["expiration"]:
            made["Expiration"] = {_MARKER: one["expired_object_delete_marker"]}
        for one in rule["noncurrent_version_expiration"]:
            made["NoncurrentVersionExpiration"] = {"NoncurrentDays": whole(one["days"])}
        rules.append(made)
    if rules:
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": rules}
        )


def _rules(s3: Any, bucket: str) -> list[State]:
    from botocore.exceptions import ClientError

    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return []
        raise
    found = []
    for rule in rules:
        marker, old = rule.get("Expiration"), rule.get("NoncurrentVersionExpiration")
        found.append(
            {
                "id": rule["ID"],
                "enabled": rule["Status"] == "Enabled",
                "expiration": [{"expired_object_delete_marker": marker[_MARKER]}] if marker else [],
                "noncurrent_version_expiration": [{"days": old["NoncurrentDays"]}] if old else [],
            }
        )
    return found
