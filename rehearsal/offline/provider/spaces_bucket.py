"""Spaces: the resource digitalocean_spaces_bucket."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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

    def do_create(self, planned: State, given: State) -> State:
        with _s3():
            s3 = self._provider.spaces.in_region(planned["region"])
            s3.create_bucket(Bucket=planned["name"], ACL=planned["acl"])
        planned["id"] = planned["name"]
        return self.do_read(planned)

    def do_read(self, state: State) -> State:
        with _s3():
            self._provider.spaces.in_region(state["region"]).head_bucket(Bucket=state["id"])
        name, region = state["name"], state["region"]
        return state | {
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
        return self.do_read(planned)

    def do_delete(self, state: State) -> None:
        with _s3():
            s3 = self._provider.spaces.in_region(state["region"])
            if state["force_destroy"]:
                pages = s3.get_paginator("list_objects_v2").paginate(Bucket=state["id"])
                for one in (one for page in pages for one in page.get("Contents", [])):
                    s3.delete_object(Bucket=state["id"], Key=one["Key"])
            s3.delete_bucket(Bucket=state["id"])
