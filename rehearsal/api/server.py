"""The HTTP server: who may come in, which endpoint answers, what is written down."""

from __future__ import annotations

import hmac
import json
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from . import (  # noqa: F401 - each adds its kinds of resources
    account,
    catalog,
    databases,
    dns,
    droplets,
    firewalls,
    load_balancers,
    monitoring,
    projects,
    reserved_ips,
)
from .cloud import Cloud
from .fields import ApiError, Item, not_found, refused
from .resource import Answer, Call, Resource
from .store import log, now


def make_app(cloud: Cloud, token: str, journal: Path) -> Flask:
    """The API of this cloud, for whoever has this token; the journal gets a line a request."""
    app = Flask(__name__)
    # python-digitalocean asks for droplets/, Terraform for droplets.
    app.url_map.strict_slashes = False
    writing = threading.Lock()

    @app.before_request
    def authenticate() -> None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise ApiError(401, "Unable to authenticate you")

    for kind in Resource.kinds:
        _add_endpoints(app, cloud, kind())
    _add_error_handlers(app)

    @app.after_request
    def write_down(response: Response) -> Response:
        with writing, journal.open("a") as out:
            out.write(json.dumps(_entry(response)) + "\n")
        return response

    return app


def _entry(response: Response) -> Item:
    """A request and its answer, for the journal. The token never reaches it."""
    return {
        "time": now(),
        "method": request.method,
        "path": request.path,
        "query": request.args.to_dict(flat=False),
        "request_body": request.get_json(force=True, silent=True),
        # No rule of ours matched this path and method.
        "known": request.url_rule is not None,
        "status": response.status_code,
        "response_body": response.get_json(silent=True),
    }


def _add_endpoints(app: Flask, cloud: Cloud, resource: Resource) -> None:
    """Those that every kind has, as far as this one has them, and its own."""
    for name in set(dir(resource)) - (set(Resource.verbs) - set(resource.verbs)):
        handler = getattr(resource, name)
        if route := getattr(handler, "route", None):
            method, rule = route
            path = f"/v2/{resource.path}/{rule}".rstrip("/")
            view = _endpoint(cloud, handler)
            app.add_url_rule(path, f"{resource.path} {name}", view, methods=[method])


def _endpoint(cloud: Cloud, handler: Callable[..., Answer]) -> Callable[..., Answer]:
    def answer(**path: str) -> Answer:
        method, url, query = request.method, request.base_url, request.args.to_dict()
        if method == "GET":
            return handler(Call(cloud, method, url, query, {}, cloud.store.state), **path)
        with cloud.store.change() as state:
            call = Call(cloud, method, url, query, _body(), state)
            made = handler(call, **path)
        for work in call.first:
            work()
        for work in call.later:
            cloud.background.submit(work)
        return made

    return answer


def _body() -> Item:
    """The request's body, which has to be a JSON object."""
    value = request.get_json(force=True, silent=True) if request.get_data() else {}
    if not isinstance(value, dict):
        raise refused("The request body is not a JSON object.")
    return value


def _add_error_handlers(app: Flask) -> None:
    """Every error is answered in DigitalOcean's form."""

    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> tuple[Response, int]:
        request_id = str(uuid.uuid4())
        answer = {"id": error.error_id, "message": error.message, "request_id": request_id}
        return jsonify(answer), error.status

    @app.errorhandler(404)
    @app.errorhandler(405)
    def unknown_endpoint(_error: HTTPException) -> tuple[Response, int]:
        log(f"{request.method} {request.path}: this stand-in has no such endpoint")
        return api_error(not_found())

    @app.errorhandler(Exception)
    def mistake(error: Exception) -> tuple[Response, int]:
        app.logger.exception("%s %s", request.method, request.path)
        return api_error(ApiError(500, f"The stand-in itself failed: {error!r}"))
