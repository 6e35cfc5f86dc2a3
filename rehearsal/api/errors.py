"""Errors in the form in which DigitalOcean answers them."""

from __future__ import annotations


class ApiError(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, error_id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_id = error_id
        self.message = message


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unable to authenticate you")


def not_found() -> ApiError:
    return ApiError(404, "not_found", "The resource you were accessing could not be found.")


def conflict(message: str) -> ApiError:
    return ApiError(409, "conflict", message)


def precondition_failed(message: str) -> ApiError:
    return ApiError(412, "precondition_failed", message)


def unprocessable(message: str) -> ApiError:
    return ApiError(422, "unprocessable_entity", message)


def server_error(message: str) -> ApiError:
    return ApiError(500, "server_error", message)
