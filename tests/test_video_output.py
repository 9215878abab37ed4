"""Videos written can be read back, or are not there."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from dataloaders.video_files import VideoFile as VideoReader
from utils import video_output
from utils.errors import OutputError, UserError
from utils.video_output import VideoWriter


def _frames(count: int, height: int, width: int) -> list[np.ndarray]:
    """Red to the left, blue to the right, brighter from frame to frame; (H, W, 3) uint8 RGB."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    brightness = np.linspace(60, 240, count, dtype=np.uint8)[:, None, None]
    frames[:, :, : width // 2, 0] = brightness
    frames[:, :, width // 2 :, 2] = brightness
    return list(frames)


def _read(path: Path) -> list[np.ndarray]:
    video, frames = VideoReader(path), []
    while (frame := video.read()) is not None:
        frames.append(frame)
    video.close()
    return frames


@pytest.mark.parametrize("for_browser", [False, True])
@pytest.mark.parametrize("size", [(64, 96), (63, 95)])
def test_frames_come_back_in_order_and_colour(tmp_path, size, for_browser):
    path, frames = tmp_path / "new" / "clip.mp4", _frames(12, *size)
    with VideoWriter(path, frames_per_second=12.5, for_browser=for_browser) as video:
        for frame in frames:
            video.write(frame)
        assert not path.exists()  # not before it is whole
    assert [file.name for file in path.parent.iterdir()] == ["clip.mp4"]
    found = _read(path)
    assert len(found) == 12
    assert found[0].shape == (64, 96, 3)
    for frame, back in zip(frames, found, strict=True):
        difference = np.abs(frame.astype(int) - back[: size[0], : size[1]])
        assert np.median(difference) < 12
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)


def test_an_interrupted_video_leaves_what_was_there(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"older")
    frame = _frames(1, 32, 32)[0]
    with pytest.raises(KeyError), VideoWriter(path) as video:
        video.write(frame)
        raise KeyError
    with pytest.raises(ValueError, match="frame 1 is"), VideoWriter(path) as video:
        video.write(frame)
        video.write(frame[:, 1:])
    with pytest.raises(UserError, match="no frame"), VideoWriter(path):
        pass
    assert path.read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


def test_faults_are_told(tmp_path, monkeypatch):
    frame = _frames(1, 32, 32)[0]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), VideoWriter(tmp_path / "file" / "a.mp4") as video:
        video.write(frame)
    with pytest.raises(UserError, match=r"\.mp4"):
        VideoWriter(tmp_path / "a.avi")
    with pytest.raises(ValueError, match="uint8"), VideoWriter(tmp_path / "a.mp4") as video:
        video.write(frame / 255)
    monkeypatch.setattr(video_output, "_CODECS", ("none",))
    with pytest.raises(OutputError, match="codecs none"), VideoWriter(tmp_path / "a.mp4") as video:
        video.write(frame)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("limit", [0, 30, 20_000])
def test_a_full_disk_is_noticed(tmp_path, limit):
    """OpenCV goes on without a word; a limit on the size of files stands for the disk's."""
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    video = VideoWriter(tmp_path / "a.mp4")
    try:
        with pytest.raises(OutputError, match=r"a\.mp4"), video:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            for frame in noise:
                video.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
