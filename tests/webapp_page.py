"""What the page does, in Python: talks to the server of ``mavos/webapp`` as its scripts do."""

import time
import zlib
from pathlib import Path

import cv2
import numpy as np
from fastapi.testclient import TestClient

from mavos.pictures.video_output import VideoWriter

ORIGIN = "http://127.0.0.1"
SIZE = (48, 64)  # (H, W) of synthetic frames


class Page:
    """One open page."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.token = client.post("/api/sessions").json()["token"]

    def ask(self, method: str, path: str, **options):
        return self.client.request(method, f"/api/{self.token}/{path}", **options)

    def do(self, method: str, path: str, **options) -> dict:
        """A request that must go well."""
        answer = self.ask(method, path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, **options) -> str:
        """The message of a request that must be turned down."""
        answer = self.ask(method, path, **options)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer.json()["error"]

    def open(self, *files: bytes, name: str = "clip.mp4") -> dict:
        """Upload and wait until it is read; the state then."""
        for part, data in enumerate(files):
            self.do("PUT", f"upload/{part}", content=data)
        self.do("POST", "clip", json={"name": name})
        return self.wait()

    def state(self, since: int = -1) -> dict:
        return self.do("GET", f"state?since={since}")

    def wait(self, frames: int | None = None) -> dict:
        """The state when nothing runs any more, or when so many frames are done."""
        for _ in range(4000):
            state = self.state()
            job = state["job"]
            if not job["running"] or (frames is not None and job["done"] >= frames):
                return state
            time.sleep(0.005)
        raise AssertionError("it never ended")

    def draw(self, frame: int, labels: np.ndarray) -> None:
        self.do("PUT", f"labels/{frame}", content=zlib.compress(labels.tobytes()))

    def labels(self, frame: int) -> np.ndarray | None:
        answer = self.ask("GET", f"labels/{frame}")
        assert answer.status_code in (200, 204), answer.text
        if answer.status_code == 204:
            return None
        return np.frombuffer(answer.content, np.uint8).reshape(SIZE)

    def picture(self, frame: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        data = np.frombuffer(self.ask("GET", f"frames/{frame}").content, np.uint8)
        return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def track(self, from_frame: int | None = None) -> dict:
        """Track to the end; the state then."""
        self.do("POST", "track", json={"from_frame": from_frame})
        return self.wait()

    def download(self, kind: str) -> bytes:
        self.do("POST", f"exports/{kind}")
        assert self.wait()["job"]["error"] is None
        return self.ask("GET", f"exports/{kind}").content


def moving_square(t: int, size: tuple[int, int] = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Frame ``t`` of a bright square that moves over noise, and where it is (H, W) bool."""
    height, width = size
    picture = np.random.default_rng(0).integers(0, 90, (height, width, 3), np.uint8)
    side = height // 3
    left = side // 2 + t % (width - 2 * side)
    mask = np.zeros(size, bool)
    mask[side : 2 * side, left : left + side] = True
    picture[mask] = (230, 190, 40)
    return picture, mask


def make_video(path: Path, length: int, size: tuple[int, int] = SIZE) -> Path:
    with VideoWriter(path, 20) as video:
        for t in range(length):
            video.write(moving_square(t, size)[0])
    return path
