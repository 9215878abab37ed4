"""The routes: what the page may ask for."""

from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field, FiniteFloat
from starlette.requests import ClientDisconnect

from mavos.utils.errors import UserError
from mavos.webapp.guard import Guard
from mavos.webapp.refusals import Refused
from mavos.webapp.sessions import Sessions

_STATIC = Path(__file__).resolve().parent / "static"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_ROOM_FOR_DRAWINGS = 2**16  # bytes beside the pixels: what packing may add


class ClipRequest(BaseModel):
    name: str = Field(max_length=300)


class ObjectRequest(BaseModel):
    name: str = Field(default="", max_length=300)


class BoxRequest(BaseModel):
    frame: int
    box: tuple[
        FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat
    ]  # left, top, right, bottom in pixels


class TrackRequest(BaseModel):
    from_frame: int | None = None


def build_app(sessions: Sessions, about: dict, host: str = "127.0.0.1") -> FastAPI:
    """The server; about: what a page shows of model and limits."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, host=host)
    app.add_exception_handler(UserError, _user_error)
    app.add_exception_handler(RequestValidationError, _not_understood)
    _add_page(app)
    _add_sessions(app, sessions, about)
    _add_drawing(app, sessions)
    _add_tracking(app, sessions)
    return app


def _add_page(app: FastAPI) -> None:
    # read once and looked up by name: no request ever becomes a path
    files = {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.is_file()}

    @app.get("/")
    def page() -> Response:
        return Response(files["index.html"], media_type=_MEDIA_TYPES[".html"])

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        if name not in files:
            raise Refused("there is no such file", HTTPStatus.NOT_FOUND)
        return Response(files[name], media_type=_MEDIA_TYPES[Path(name).suffix])


def _add_sessions(app: FastAPI, sessions: Sessions, about: dict) -> None:
    @app.post("/api/sessions")
    def create() -> dict:
        return {"token": sessions.create()} | about

    @app.post("/api/{token}/close")
    def close(token: str) -> dict:
        sessions.close(token)
        return {}

    @app.get("/api/{token}/state")
    def state(token: str, since: int = -1) -> dict:
        return sessions.find(token).state(since)

    @app.put("/api/{token}/upload/{part}")
    async def upload(token: str, part: int, request: Request) -> dict:
        announced = request.headers.get("content-length", "")
        size = int(announced) if announced.isdigit() else None
        uploads = sessions.find(token).uploads
        with suppress(ClientDisconnect):  # given up: nobody reads the answer
            await uploads.receive(part, size, request.stream())
        return {}

    @app.post("/api/{token}/clip")
    def open_clip(token: str, wanted: ClipRequest) -> dict:
        session = sessions.find(token)
        session.open_clip(wanted.name)
        return session.state(-1)


def _add_drawing(app: FastAPI, sessions: Sessions) -> None:
    @app.post("/api/{token}/objects")
    def add_object(token: str, wanted: ObjectRequest) -> dict:
        return {"id": sessions.find(token).annotations.add_object(wanted.name)}

    @app.patch("/api/{token}/objects/{object_id}")
    def rename_object(token: str, object_id: int, wanted: ObjectRequest) -> dict:
        sessions.find(token).annotations.rename(object_id, wanted.name)
        return {}

    @app.delete("/api/{token}/objects/{object_id}")
    def remove_object(token: str, object_id: int, from_frame: int | None = None) -> dict:
        sessions.find(token).remove_object(object_id, from_frame)
        return {}

    @app.get("/api/{token}/frames/{frame}")
    def picture(token: str, frame: int) -> Response:
        return FileResponse(sessions.find(token).clip.path(frame), media_type="image/jpeg")

    @app.get("/api/{token}/labels/{frame}")
    def labels(token: str, frame: int) -> Response:
        return _packed(sessions.find(token).packed_labels(frame))

    @app.put("/api/{token}/labels/{frame}")
    async def draw(token: str, frame: int, request: Request) -> dict:
        session = sessions.find(token)
        height, width = session.annotations.size
        body = await _body(request.stream(), height * width + _ROOM_FOR_DRAWINGS)
        await run_in_threadpool(session.draw, frame, body)
        return {}

    @app.delete("/api/{token}/labels/{frame}")
    def discard(token: str, frame: int) -> dict:
        sessions.find(token).discard_drawing(frame)
        return {}

    @app.post("/api/{token}/box")
    def box(token: str, wanted: BoxRequest) -> Response:
        return _packed(sessions.find(token).mask_in_box(wanted.frame, wanted.box))


def _add_tracking(app: FastAPI, sessions: Sessions) -> None:
    @app.post("/api/{token}/track")
    def track(token: str, wanted: TrackRequest) -> dict:
        sessions.find(token).track(wanted.from_frame)
        return {}

    @app.post("/api/{token}/pause")
    def pause(token: str) -> dict:
        sessions.find(token).pause()
        return {}

    @app.post("/api/{token}/exports/{kind}")
    def export(token: str, kind: str) -> dict:
        sessions.find(token).export(kind)
        return {}

    @app.get("/api/{token}/exports/{kind}")
    def exported(token: str, kind: str) -> Response:
        path, name, media_type = sessions.find(token).exported(kind)
        return FileResponse(path, media_type=media_type, filename=name)


def _packed(data: bytes | None) -> Response:
    """zlib-packed pixels, which every browser can unpack."""
    if data is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    headers = {"Content-Encoding": "deflate"}
    return Response(data, media_type="application/octet-stream", headers=headers)


async def _body(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise Refused("the drawing is too large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return bytes(body)


def _user_error(_: Request, error: UserError) -> JSONResponse:
    status = error.status if isinstance(error, Refused) else HTTPStatus.UNPROCESSABLE_ENTITY
    return JSONResponse({"error": str(error)}, status)


def _not_understood(_: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return JSONResponse({"error": f"{where}: {first['msg']}"}, HTTPStatus.UNPROCESSABLE_ENTITY)
