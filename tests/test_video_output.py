"""Videos written can be read back, with their sound, or are not there."""

import builtins
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media import write_clip

from mavos.dataloaders.media.frame_sources import frames_from
from mavos.pictures import sound, video_output
from mavos.pictures.video_output import VideoWriter
from mavos.utils.errors import OutputError, UserError

NTSC = Fraction(30_000, 1001)


def _frames(count: int, height: int, width: int) -> list[np.ndarray]:
    """Red to the left, blue to the right, brighter from frame to frame; (H, W, 3) uint8 RGB."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    brightness = np.linspace(60, 240, count, dtype=np.uint8)[:, None, None]
    frames[:, :, : width // 2, 0] = brightness
    frames[:, :, width // 2 :, 2] = brightness
    return list(frames)


@pytest.mark.parametrize("size", [(64, 96), (63, 95), (2, 1)])
def test_frames_come_back_in_order_and_colour(tmp_path, size):
    path, frames = tmp_path / "new" / "clip.mp4", _frames(12, *size)
    with VideoWriter(path, frames_per_second=12.5) as video:
        for frame in frames:
            video.write(frame)
        assert not path.exists()  # not before it is whole
    assert [file.name for file in path.parent.iterdir()] == ["clip.mp4"]
    found = list(frames_from(path))
    assert len(found) == 12
    assert found[0].shape == (size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    for frame, back in zip(frames, found, strict=True):
        difference = np.abs(frame.astype(int) - back[: size[0], : size[1]])
        assert np.median(difference) < 12


@pytest.mark.parametrize(
    "rate", [Fraction(25), NTSC, NTSC / 7, Fraction(24_000, 1001), Fraction(1, 2), Fraction(240)]
)
def test_browsers_play_it_and_its_rate_is_exact(tmp_path, rate):
    with VideoWriter(tmp_path / "a.mp4", float(rate)) as video:
        for frame in _frames(8, 32, 48):
            video.write(frame)
    with av.open(str(tmp_path / "a.mp4")) as container:
        (stream,) = container.streams
        assert stream.average_rate == rate and stream.frames == 8
        assert stream.duration * stream.time_base == 8 / rate
        assert (stream.codec.canonical_name, stream.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "a.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it plays while it loads


def test_the_last_frame_stands_for_missing_ones(tmp_path):
    first, second = _frames(2, 32, 48)
    with VideoWriter(tmp_path / "a.mp4", 10) as video:
        video.write(first)
        video.write(second, missing=3)
    found = list(frames_from(tmp_path / "a.mp4"))
    assert [np.abs(back.astype(int) - first).mean() < 10 for back in found] == [True] * 4 + [False]


def test_nothing_stands_for_what_is_missing_before_the_first(tmp_path):
    frame = _frames(1, 32, 48)[0]
    with VideoWriter(tmp_path / "a.mp4", 10) as video:
        with pytest.raises(ValueError, match="no frame comes before"):
            video.write(frame, missing=1)
        video.write(frame)
    assert len(list(frames_from(tmp_path / "a.mp4"))) == 1


def test_without_h264_the_video_is_mpeg4_and_that_is_told(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(video_output, "_CODECS", ("nothing_like_h264", "mpeg4"))
    with VideoWriter(tmp_path / "a.mp4", 24_000 / 1001) as video:
        for frame in _frames(8, 33, 48):
            video.write(frame)
    assert "no encoder for H.264; written as MPEG-4" in caplog.text
    found = list(frames_from(tmp_path / "a.mp4"))
    assert len(found) == 8
    assert np.median(np.abs(found[7][:33].astype(int) - _frames(8, 33, 48)[7])) < 12


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
    with pytest.raises(UserError, match="no frame"), VideoWriter(path, keep_partial=True):
        pass
    with pytest.raises(KeyError), VideoWriter(path, keep_partial=True):
        raise KeyError
    assert path.read_bytes() == b"older"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError])
def test_an_interrupted_video_may_keep_what_was_written(tmp_path, error):
    clip = write_clip(tmp_path / "source.mp4", length=30, sound="aac")
    path = tmp_path / "clip.mp4"
    with pytest.raises(error), VideoWriter(path, 10, clip, keep_partial=True) as video:
        for frame in _frames(7, 32, 32):
            video.write(frame)
        raise error
    assert len(list(frames_from(path))) == 7
    assert len(list(tmp_path.iterdir())) == 2


def _loudness(path: Path) -> tuple[str, np.ndarray]:
    """Codec of the sound, and how loud each tenth of a second of it is."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        resampler = av.AudioResampler("s16", "mono", 8000)
        parts = [p for frame in container.decode(stream) for p in resampler.resample(frame)]
        start = parts[0].pts * parts[0].time_base
        samples = np.concatenate([part.to_ndarray()[0] for part in parts]).astype(float)
        samples = np.concatenate([np.zeros(int(start * 8000)), samples])
    whole = samples[: len(samples) // 800 * 800].reshape(-1, 800)
    return stream.codec.canonical_name, np.sqrt((whole**2).mean(1))


@pytest.mark.parametrize(
    ("suffix", "codec", "becomes"),
    [
        ("mp4", "aac", "aac"),
        ("mp4", "libmp3lame", "mp3"),
        ("mkv", "libopus", "opus"),
        ("mkv", "flac", "flac"),
        ("avi", "pcm_s16le", "aac"),
        ("mkv", "ac3", "aac"),
    ],
)
def test_sound_stays_at_its_pictures(tmp_path, suffix, codec, becomes):
    """It is silent but for the second between 1.5 and 2.5 s."""
    clip = write_clip(tmp_path / f"a.{suffix}", length=40, rate=10, sound=codec, tone=(1.5, 2.5))
    with VideoWriter(tmp_path / "b.mp4", 10, clip, audio_start=1.0) as video:
        for frame in _frames(20, 32, 32):
            video.write(frame)
    found, loudness = _loudness(tmp_path / "b.mp4")
    assert found == becomes
    assert 17 <= len(loudness) <= 20
    expected = (np.arange(len(loudness)) / 10 + 0.05 >= 0.5) & (np.arange(len(loudness)) < 15)
    assert ((loudness > 1000) != expected).sum() <= 2  # where it begins and ends
    with av.open(str(tmp_path / "b.mp4")) as container:
        duration = container.streams.video[0].duration * container.streams.video[0].time_base
        assert duration == 2 and container.duration / 1e6 < 2.1


def test_sound_that_is_not_there_or_cannot_be_read_is_left_out(tmp_path, caplog):
    silent = write_clip(tmp_path / "silent.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    for source in (silent, tmp_path / "text.mp4", tmp_path / "nowhere.mp4"):
        with VideoWriter(tmp_path / "b.mp4", 10, source) as video:
            video.write(_frames(1, 32, 32)[0])
        assert len(list(frames_from(tmp_path / "b.mp4"))) == 1
    assert caplog.text.count("its sound is left out") == 2


def test_sound_that_ends_early_leaves_the_pictures(tmp_path, monkeypatch, caplog):
    clip = write_clip(tmp_path / "a.mp4", length=40, rate=10, sound="aac")
    real = sound.SoundTrack._copied

    def breaks(self):
        for number, item in enumerate(real(self)):
            if number == 9:
                raise av.error.InvalidDataError(1, "damaged")
            yield item

    monkeypatch.setattr(sound.SoundTrack, "_copied", breaks)
    with VideoWriter(tmp_path / "b.mp4", 10, clip) as video:
        for frame in _frames(20, 32, 32):
            video.write(frame)
    assert "the rest of its sound is left out" in caplog.text
    assert len(list(frames_from(tmp_path / "b.mp4"))) == 20
    assert len(_loudness(tmp_path / "b.mp4")[1]) in (1, 2)


def test_sound_whose_time_stands_still_ends_there(tmp_path, caplog):
    whole, joined = write_clip(tmp_path / "a.mp4", length=30, sound="aac"), tmp_path / "joined.mkv"
    with av.open(str(whole)) as source, av.open(str(joined), "w") as target:
        streams = {stream: target.add_stream_from_template(stream) for stream in source.streams}
        packets = [packet for packet in source.demux() if packet.dts is not None]
        sounds = [packet for packet in packets if packet.stream.type == "audio"]
        sounds[40].pts = sounds[40].dts = sounds[39].pts
        for packet in packets:
            packet.stream = streams[packet.stream]
            target.mux_one(packet)
    _check_sound_is_cut(joined, 0.85, tmp_path, caplog)


def test_the_sound_of_joined_files_ends_with_the_first(tmp_path, caplog):
    part, joined = write_clip(tmp_path / "a.ts", length=15, sound="aac"), tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    _check_sound_is_cut(joined, 1.5, tmp_path, caplog)


def _check_sound_is_cut(source: Path, seconds: float, folder: Path, caplog) -> None:
    with VideoWriter(folder / "b.mp4", 10, source) as video:
        for frame in _frames(30, 32, 32):
            video.write(frame)
    assert caplog.text.count("sound is left out (its time stamps jump back)") == 1
    assert len(list(frames_from(folder / "b.mp4"))) == 30
    assert len(_loudness(folder / "b.mp4")[1]) / 10 == pytest.approx(seconds, abs=0.11)


def test_faults_are_told(tmp_path, monkeypatch):
    frame = _frames(1, 32, 32)[0]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError), VideoWriter(tmp_path / "file" / "a.mp4") as video:
        video.write(frame)
    with pytest.raises(UserError, match=r"\.mp4"):
        VideoWriter(tmp_path / "a.avi")
    for rate in (0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="must be positive"):
            VideoWriter(tmp_path / "a.mp4", rate)
    with pytest.raises(ValueError, match="uint8"), VideoWriter(tmp_path / "a.mp4") as video:
        video.write(frame / 255)
    monkeypatch.setattr(video_output, "_CODECS", ("none",))
    with pytest.raises(OutputError, match="encoders none"), VideoWriter(tmp_path / "a.mp4") as v:
        v.write(frame)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_without_av_the_remedy_is_told(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args):
        if name == "av":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match="pip install av"):
        VideoWriter(tmp_path / "a.mp4")


@pytest.mark.parametrize("limit", [0, 30, 20_000])
def test_a_full_disk_is_noticed(tmp_path, limit):
    """A limit on the size of files stands for the disk's."""
    resource = pytest.importorskip("resource")
    noise = np.random.default_rng(0).integers(0, 256, (20, 64, 96, 3), np.uint8)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    video = VideoWriter(tmp_path / "a.mp4", keep_partial=True)
    try:
        with pytest.raises(OutputError, match=r"a\.mp4"), video:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            for frame in noise:
                video.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []
