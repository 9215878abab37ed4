"""What the server refuses, with the reason."""

from http import HTTPStatus

from mavos.utils.errors import UserError


class Refused(UserError):
    """A request that is turned down: a sentence for the page, and the HTTP status that fits."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__(message)
        self.status = status
