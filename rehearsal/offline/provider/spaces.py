"""Spaces, asked over S3 with keys of their own, and those keys."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client import ApiError
from .resource import Resource
from .schema import State, block, computed, kept, optional, required


class Spaces:
    """Where Spaces are, as the environment says, and the provider block's keys that open them."""

    def __init__(self, config: State) -> None:
        """A key that is not known yet is none."""
        self.endpoint = os.environ.get("SPACES_ENDPOINT_URL", "")
        given = (config["spaces_access_id"], config["spaces_secret_key"])
        self.keys = [key for key in given if isinstance(key, str) and key]

    @contextmanager
    def opened(self) -> Iterator[Any]:
        """Amazon's own client for them. Its errors become ApiError."""
        import boto3  # takes a second
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        if len(self.keys) < 2:
            raise ApiError(0, "Spaces credentials not configured")
        if not self.endpoint:
            raise ApiError(
                0, "SPACES_ENDPOINT_URL is not set, and the rehearsal keeps to this machine"
            )
        try:
            yield boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                region_name="us-east-1",
                aws_access_key_id=self.keys[0],
                aws_secret_access_key=self.keys[1],
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
    imported = ()
    key = "access_key"
    fields = {
        "name": required(),
        "access_key": computed(),
        "secret_key": computed(sensitive=True, shown_once=True),
        "grant": block(
            {"bucket": required(unset=""), "permission": required()},
            ordered=True,
            api="grants",
            unset=[],
        ),
    }


def _switch(off: str) -> dict[str, Any]:
    """A switch that is a word in S3, with this one for what is off."""
    return {
        "api": "Status",
        "to_api": lambda _on: "Enabled",
        "unset": off,
        "from_api": lambda status: status == "Enabled",
    }


_EXPIRATION = {"expired_object_delete_marker": optional("bool", api="ExpiredObjectDeleteMarker")}


class SpacesBucket(Resource):
    name, title = "spaces_bucket", "bucket"
    imported = ("region", "name")
    fields = {
        "name": required(api="", read=""),
        "region": kept(default="nyc3", force_new=True, state=str.lower),
        "acl": kept(default="private"),
        "force_destroy": kept("bool", default=False),
        "versioning": block(
            {"enabled": optional("bool", **_switch("Suspended"))}, ordered=True, single=True
        ),
        "lifecycle_rule": block(
            {
                "id": optional(api="ID"),
                "enabled": required("bool", **_switch("Disabled")),
                "expiration": block(_EXPIRATION, single=True, api="Expiration"),
                "noncurrent_version_expiration": block(
                    {"days": optional("number", api="NoncurrentDays")},
                    single=True,
                    api="NoncurrentVersionExpiration",
                ),
            },
            ordered=True,
        ),
    }

    def create(self, planned: State) -> State:
        with self.client.spaces.opened() as s3:
            s3.create_bucket(Bucket=planned["name"], ACL=planned["acl"])
        planned["id"] = planned["name"]
        return self.update(planned, planned)

    def get(self, state: State) -> State:
        bucket = {"Bucket": state["id"]}
        with self.client.spaces.opened() as s3:
            s3.head_bucket(**bucket)
            versioning = s3.get_bucket_versioning(**bucket)
        try:
            with self.client.spaces.opened() as s3:
                rules = s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]
        except ApiError as error:
            if error.status != 404:
                raise
            rules = []
        return {"versioning": versioning, "lifecycle_rule": rules}

    def update(self, current: State, planned: State) -> State:
        bucket, wanted = {"Bucket": current["id"]}, self.body(planned)
        rules = [{"Filter": {"Prefix": ""}} | rule for rule in wanted.get("lifecycle_rule", ())]
        with self.client.spaces.opened() as s3:
            s3.put_bucket_acl(**bucket, ACL=planned["acl"])
            if versioning := wanted.get("versioning"):
                s3.put_bucket_versioning(**bucket, VersioningConfiguration=versioning)
            if rules:
                s3.put_bucket_lifecycle_configuration(
                    **bucket, LifecycleConfiguration={"Rules": rules}
                )
        return self.read(planned)

    def delete(self, state: State) -> None:
        bucket = state["id"]
        with self.client.spaces.opened() as s3:
            if state["force_destroy"]:
                for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                    for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                        s3.delete_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])
            s3.delete_bucket(Bucket=bucket)
