"""Spaces: the resource digitalocean_spaces_bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .client import ApiError
from .fields import State, computed, not_empty, optional, required
from .resource import SdkResource


@contextmanager
def _s3() -> Iterator[None]:
    """S3's errors in the API's form."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        raise ApiError(status, str(error)) from error
    except BotoCoreError as error:
        raise ApiError(0, str(error)) from error


class SpacesBucket(SdkResource):
    name = "spaces_bucket"
    errors = {
        "create": "Error creating bucket",
        "read": "Error reading bucket",
        "update": "Error updating bucket",
        "delete": "Error deleting bucket",
    }
    fields = {
        "name": required("string", refuse=not_empty),
        "region": optional("string", default="nyc3", force_new=True, state=str.lower),
        "acl": optional("string", default="private"),
        "force_destroy": optional("bool", default=False),
        "urn": computed("string"),
        "bucket_domain_name": computed("string"),
        "endpoint": computed("string"),
    }
    blocks = {
        "versioning": {"enabled": optional("bool")},
        "lifecycle_rule": {
            "id": optional("string"),
            "enabled": required("bool"),
            "expiration": {"expired_object_delete_marker": optional("bool")},
            "noncurrent_version_expiration": {"days": optional("number")},
        },
    }

    def do_create(self, planned: State, given: State) -> State:
        with _s3():
            s3 = self._provider.spaces.in_region(planned["region"])
            s3.create_bucket(Bucket=planned["name"], ACL=planned["acl"])
            planned["id"] = planned["name"]
            _keep_versions(s3, planned)
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        with _s3():
            s3 = self._provider.spaces.in_region(state["region"])
            s3.head_bucket(Bucket=state["id"])
            versioning = s3.get_bucket_versioning(Bucket=state["id"]).get("Status")
            rules = _rules(s3, state["id"])
        name, region = state["name"], state["region"]
        return state | {
            "versioning": [{"enabled": versioning == "Enabled"}],
            "lifecycle_rule": rules,
            "urn": f"do:space:{name}",
            "bucket_domain_name": f"{name}.{region}.digitaloceanspaces.com",
            "endpoint": f"{region}.digitaloceanspaces.com",
        }

    def do_import(self, state: State) -> State:
        region, _, name = state["id"].partition(",")
        if not name:
            raise ApiError(0, "importing a Spaces bucket requires the format: <region>,<name>")
        return self.do_read(state | {"id": name, "name": name, "region": region})

    def do_update(self, current: State, planned: State) -> State:
        with _s3():
            s3 = self._provider.spaces.in_region(planned["region"])
            s3.put_bucket_acl(Bucket=planned["name"], ACL=planned["acl"])
            _keep_versions(s3, planned)
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        with _s3():
            s3 = self._provider.spaces.in_region(state["region"])
            if state["force_destroy"]:
                pages = s3.get_paginator("list_object_versions").paginate(Bucket=state["id"])
                for page in pages:
                    for one in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                        version = {"Key": one["Key"], "VersionId": one["VersionId"]}
                        s3.delete_object(Bucket=state["id"], **version)
            s3.delete_bucket(Bucket=state["id"])


def _keep_versions(s3: Any, planned: State) -> None:
    """Versioning, and which versions go again."""
    bucket = planned["name"]
    for block in planned["versioning"] or ():
        status = "Enabled" if block["enabled"] else "Suspended"
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})
    if rules := [_to_s3(rule) for rule in planned["lifecycle_rule"] or ()]:
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket, LifecycleConfiguration={"Rules": rules}
        )


def _to_s3(rule: State) -> dict[str, Any]:
    answer = {
        "ID": rule["id"],
        "Status": "Enabled" if rule["enabled"] else "Disabled",
        "Filter": {"Prefix": ""},
    }
    for block in rule["expiration"]:
        marker = block["expired_object_delete_marker"]
        answer["Expiration"] = {"ExpiredObjectDeleteMarker": marker}
    for block in rule["noncurrent_version_expiration"]:
        answer["NoncurrentVersionExpiration"] = {"NoncurrentDays": int(block["days"])}
    return answer


def _rules(s3: Any, bucket: str) -> list[State]:
    from botocore.exceptions import ClientError

    try:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchLifecycleConfiguration":
            return []
        raise
    return [
        {
            "id": rule["ID"],
            "enabled": rule["Status"] == "Enabled",
            "expiration": [
                {"expired_object_delete_marker": one["ExpiredObjectDeleteMarker"]}
                for one in (rule.get("Expiration"),)
                if one
            ],
            "noncurrent_version_expiration": [
                {"days": one["NoncurrentDays"]}
                for one in (rule.get("NoncurrentVersionExpiration"),)
                if one
            ],
        }
        for rule in rules
    ]
