"""Errors in the form in which DigitalOcean answers them."""

from __future__ import annotations

_IDS = {
    401: "Unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    412: "precondition_failed",
    422: "unprocessable_entity",
    429: "too_many_requests",
}


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_id = _IDS.get(status, "server_error")
        self.message = message


def not_found() -> ApiError:
    return ApiError(404, "The resource you were accessing could not be found.")


def refused(message: str) -> ApiError:
    """The request is understood, and what it asks for is not possible."""
    return ApiError(422, message)
