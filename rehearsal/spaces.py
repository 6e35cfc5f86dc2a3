"""The rehearsal's Spaces, which speak S3: moto, behind a check of who may do what.

moto has a check of its own, but computes another signature than restic does. Buckets and what is in
them are in this process's memory, and go with the rehearsal.

Not rehearsed: a bucket by Terraform's real provider, where its registry answers. It asks for one
at a host name of its own, BUCKET.ADDRESS, and an address of this machine has no such names.
"""

from __future__ import annotations

import hmac
import re
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

from waitress.server import create_server

Environ = dict[str, Any]
_CREDENTIAL = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^/]+/[^/]+/[^/]+/aws4_request), ?"
    r"SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)
_ERROR = "<?xml version='1.0'?><Error><Code>{0}</Code><Message>{0}</Message></Error>"


class ObjectStore:
    """An S3 server that knows the account's keys, as the API's state has them."""

    def __init__(self, keys: Callable[[], dict[str, Any]]) -> None:
        self._keys = keys

    @cached_property
    def _moto(self) -> Callable[..., Any]:
        """Loaded when somebody asks for a Space: it takes seconds."""
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        made: Callable[..., Any] = DomainDispatcherApplication(create_backend_app)
        return made

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, or refuse it as S3 does."""
        refusal = self._refusal(environ)
        if refusal is None:
            answer: Iterable[bytes] = self._moto(environ, start_response)
            return answer
        body = _ERROR.format(refusal).encode()
        headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    def _refusal(self, environ: Environ) -> str | None:
        """S3's word for why not; None if it may."""
        signed = _CREDENTIAL.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
        if not signed:
            return "AccessDenied"
        key = self._keys().get(signed[1])
        if key is None:
            return "InvalidAccessKeyId"
        if not hmac.compare_digest(_signature(environ, key["secret_key"], signed), signed[4]):
            return "SignatureDoesNotMatch"
        bucket = environ["PATH_INFO"].split("/")[1]
        return None if _may(key, bucket, environ["REQUEST_METHOD"]) else "AccessDenied"


def _may(key: dict[str, Any], bucket: str, method: str) -> bool:
    """Whether a key may do this in a bucket."""
    for grant in key["grants"]:
        if grant["permission"] == "fullaccess":
            return True
        if grant["bucket"] == bucket:
            return grant["permission"] == "readwrite" or method in ("GET", "HEAD")
    return False


def _signature(environ: Environ, secret: str, signed: re.Match[str]) -> str:
    """What the request would be signed with, by Amazon's own library."""
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    _, region, service, _ = signed[2].split("/")
    headers = {name: _header(environ, name) for name in signed[3].split(";")}
    url = f"http://spaces{environ['REQUEST_URI']}"
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers)
    request.context["timestamp"] = environ.get("HTTP_X_AMZ_DATE", "")
    auth = S3SigV4Auth(Credentials(signed[1], secret), service, region)
    text = auth.string_to_sign(request, auth.canonical_request(request))
    return str(auth.signature(text, request))


def _header(environ: Environ, name: str) -> str:
    key = name.upper().replace("-", "_")
    plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
    return " ".join(str(environ.get(key if plain else f"HTTP_{key}", "")).split())


def serve(address: str, keys: Callable[[], dict[str, Any]]) -> str:
    """Serve in the background as long as this process lives; the URL."""
    server = create_server(ObjectStore(keys), host=address, port=0, threads=4, ident="rehearsal")
    threading.Thread(target=server.run, name="spaces", daemon=True).start()
    port: int = server.effective_port  # type: ignore[union-attr]
    return f"http://{address}:{port}"
