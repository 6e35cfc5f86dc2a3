"""The HTTP server: who may come in, which endpoint answers, what is written down."""

from __future__ import annotations

import hmac
import uuid
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from . import (
    account,
    actions,
    alert_policies,
    catalog,
    certificates,
    database_parts,
    databases,
    domains,
    droplets,
    faults,
    firewalls,
    load_balancers,
    not_rehearsed,
    projects,
    reserved_ips,
    spaces,
    tags,
    uptime,
    vpcs,
)
from .clock import log
from .cloud import Cloud
from .errors import ApiError, not_found, server_error, unauthorized
from .journal import Journal

if TYPE_CHECKING:
    from pathlib import Path


ENDPOINTS = (
    account, actions, alert_policies, catalog, certificates, database_parts, databases, domains,
    droplets, faults, firewalls, load_balancers, not_rehearsed, projects, reserved_ips, spaces,
    tags, uptime, vpcs,
)  # fmt: skip


def make_app(cloud: Cloud, token: str, journal_file: Path) -> Flask:
    """The API of this cloud, for whoever has this token."""
    app = Flask(__name__)
    app.extensions["cloud"] = cloud
    # python-digitalocean asks for droplets/, Terraform for droplets.
    app.url_map.strict_slashes = False
    journal = Journal(journal_file)
    app.before_request(journal.begin)

    @app.before_request
    def authenticate() -> None:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise unauthorized()

    for endpoints in ENDPOINTS:
        app.register_blueprint(endpoints.routes)

    _add_error_handlers(app)

    @app.after_request
    def write_down(response: Response) -> Response:
        # Clients may pace themselves by these; nobody is ever slowed down here.
        limits: dict[str, Any] = {"Ratelimit-Limit": 5000, "Ratelimit-Remaining": 4999}
        for name, value in limits.items():
            response.headers[name] = str(value)
        return journal.record(request, response)

    return app


def _add_error_handlers(app: Flask) -> None:
    """Every error is answered in DigitalOcean's form."""

    @app.errorhandler(ApiError)
    def api_error(error: ApiError) -> tuple[Response, int]:
        request_id = str(uuid.uuid4())
        answer = {"id": error.error_id, "message": error.message, "request_id": request_id}
        return jsonify(answer), error.status

    @app.errorhandler(HTTPException)
    def unknown_endpoint(error: HTTPException) -> tuple[Response, int]:
        if error.code in (404, 405):
            log(f"{request.method} {request.path}: this stand-in has no such endpoint")
            return api_error(not_found())
        return api_error(ApiError(error.code or 500, error.name.lower(), error.description or ""))

    @app.errorhandler(Exception)
    def mistake(error: Exception) -> tuple[Response, int]:
        app.logger.exception("%s %s", request.method, request.path)
        return api_error(server_error(f"The stand-in itself failed: {error!r}"))
