"""Inputs as people have them: names, folders, containers and pictures that are not the usual ones.

Each makes its own files; the situations come from public reports.
"""

import io
import itertools
import logging
import os
import struct
import sys
import time
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from eval_tool import nano, run, save_mask
from media import write_clip
from PIL import Image

from mavos.dataloaders.listings.eval_videos import single_video
from mavos.dataloaders.listings.listing import subfolders
from mavos.dataloaders.media.file_kinds import count_frames
from mavos.dataloaders.media.frame_sources import frames_from
from mavos.dataloaders.media.images import list_images, read_image
from mavos.dataloaders.media.mask_files import decode_mask, list_masks, read_mask
from mavos.demo import command
from mavos.demo.given import masks_by_index
from mavos.pictures.video_output import VideoWriter
from mavos.scoring.predictions import ZipOfMasks
from mavos.utils import pixel_limit
from mavos.utils.errors import UserError

SIZE = (48, 64)  # (H, W)


def _shade(index: int) -> np.ndarray:
    return np.full((*SIZE, 3), 10 + 10 * index, np.uint8)


def _shades(images) -> list[int]:
    return [round((float(image.mean()) - 10) / 10) for image in images]


def _folder(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for index, name in enumerate(names):
        Image.fromarray(_shade(index)).save(folder / name)
    return folder


# --- which files are frames, and in which order


@pytest.mark.parametrize(
    "names",
    [
        [f"cam_{round(i * 0.04, 2)}" for i in range(12)],  # 0.0, 0.04, ... 0.2, ... 0.4
        ["0.25", "0.5", "0.75", "1.0", "1.25"],
        ["shot1.8", "shot1.9", "shot1.10", "shot1.11"],  # two whole numbers
        ["2024.1.9", "2024.1.10", "2024.2.1"],
        ["img_1", "IMG_2", "img_10"],
        ["t_9", "t_9.5", "t_10"],
        ["1403636579.763555527", "1403636579.763555584", "1403636580.01"],
    ],
)
def test_names_are_read_in_the_order_of_a_person(tmp_path, names):
    folder = _folder(tmp_path / "frames", [f"{name}.png" for name in names])
    assert [path.stem for path in list_images(folder)] == names
    assert _shades(frames_from(folder)) == list(range(len(names)))
    assert [Path(f).stem for f in frames_from(f"{folder}/*.png").names] == [
        Path(name).stem for name in names
    ]


def test_what_systems_leave_is_no_data_at_any_level(tmp_path):
    for folder in ("b", "a", "@eaDir", "__MACOSX", ".git", "#recycle"):
        (tmp_path / folder).mkdir()
    assert subfolders(tmp_path) == ["a", "b"]
    frames = _folder(tmp_path / "a", ["0.png", "1.png", "._1.png"])
    (frames / "Thumbs.db").touch()
    _folder(frames / "@eaDir", ["SYNO.png"])
    assert [path.name for path in list_images(frames)] == ["0.png", "1.png"]
    assert frames_from(f"{tmp_path}/**/*.png").names == ["0", "1"]
    assert list(list_masks(frames)) == ["0", "1"]


def test_suffixes_that_are_left_out_are_reported_with_their_number(tmp_path, caplog):
    folder = _folder(tmp_path / "frames", ["0.png", "1.png"])
    for name in ("2.dng", "3.dng", "notes.txt", "Thumbs.db"):
        (folder / name).touch()
    assert len(list_images(folder)) == 2
    assert "2 frames are read; left out, because no picture" in caplog.text
    assert "2 .dng, 1 .txt" in caplog.text


def test_a_mask_in_the_folder_of_frames_is_no_frame(tmp_path, caplog):
    folder = _folder(tmp_path / "frames", [f"{i:05d}.jpg" for i in range(5)])
    mask = save_mask(folder / "mask.png", np.ones(SIZE))
    assert frames_from(folder).names == [f"{i:05d}" for i in range(5)]
    assert "taken for a mask, not for a frame: mask.png" in caplog.text
    given = save_mask(folder / "00000.png", np.ones(SIZE))  # named like a frame
    mask.unlink()
    assert frames_from(folder, without=[given]).length == 5
    assert frames_from(f"{folder}/*", without=[given]).length == 5
    video = single_video(folder, given)
    assert len(video.frames) == 5 and list(video.masks) == ["00000"]


def test_twenty_thousand_names_are_listed_and_matched_in_seconds(tmp_path):
    frames, masks = tmp_path / "frames", tmp_path / "masks"
    frames.mkdir(), masks.mkdir()
    for index in range(20_000):
        (frames / f"{index:06d}.jpg").touch()
        (masks / f"{index:06d}.png").touch()
    started = time.process_time()
    with frames_from(frames) as source:
        found = masks_by_index([str(masks)], source)
    assert len(found) == 20_000 and time.process_time() - started < 6  # quadratic: 13 to 39


def test_a_pipe_among_frames_is_left_out_and_does_not_hang(tmp_path):
    folder = _folder(tmp_path / "frames", ["0.png", "2.png"])
    os.mkfifo(folder / "1.png")
    assert frames_from(folder).names == ["0", "2"]
    for read in (read_image, read_mask, frames_from, count_frames):
        with pytest.raises(UserError, match="is no file that holds data"):
            read(folder / "1.png")


@pytest.mark.parametrize("camera", [-1, -100, 10**6, 10**30, str(10**30)])
def test_a_number_that_is_no_camera_is_refused(camera):
    with pytest.raises(UserError, match="is no camera; expected a number from 0 to 9999"):
        frames_from(camera)


# --- pictures


def test_pictures_of_a_telephone_are_all_read_or_refused(tmp_path, monkeypatch):
    folder = _folder(tmp_path / "mix", [f"{i}.jpg" for i in range(4)])
    for index in (1, 3):
        (folder / f"{index}.jpg").rename(folder / f"{index}.heic")  # JPEG by content
    assert _shades(frames_from(folder)) == [0, 1, 2, 3]
    (folder / "3.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    for source in (folder, f"{folder}/*"):
        with pytest.raises(UserError, match=r"3\.heic: a HEIC picture.*pip install pillow-heif"):
            list(frames_from(source))


def test_a_heic_picture_is_read_where_the_package_is_there(tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.from_pillow(Image.fromarray(_shade(7))).save(tmp_path / "a.heic")
    assert _shades(frames_from(tmp_path / "a.heic")) == [7]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_values_of_16_bits_are_scaled_by_what_their_folder_uses(tmp_path, suffix, bits):
    for index in range(3):  # the first one is dark
        grey = np.full(SIZE, (20, 120, 250)[index], np.uint16) << (bits - 8)
        cv2.imwrite(str(tmp_path / f"{index}.{suffix}"), grey)
    assert [int(image.mean()) for image in frames_from(tmp_path)] == [20, 120, 250]


def test_a_picture_outside_the_range_of_its_folder_is_a_fault(tmp_path):
    for index in range(20):
        value = 60_000 if index == 1 else 500
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full(SIZE, value, np.uint16))
    frames = list(frames_from(tmp_path).named())
    assert [frame.index for frame in frames if frame.image is None] == [1]
    assert "values up to 60000, but other pictures of its folder stay below 1024" in frames[1].fault


def test_floating_point_pictures(tmp_path):
    Image.fromarray(np.full(SIZE, 0.5, np.float32)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").mean() == 128
    Image.fromarray(np.full(SIZE, 1e6, np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(UserError, match=r"b\.tif: values from 1e\+06 to 1e\+06"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "gif", "avif"])
def test_a_file_of_several_pictures_is_a_video_and_no_frame(tmp_path, suffix):
    images = [Image.fromarray(_shade(4 * index)) for index in range(5)]
    path = tmp_path / f"a.{suffix}"
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    with frames_from(path) as frames:
        assert (frames.name, frames.length) == ("a", 5)
        found = list(frames.named())
    assert [round((f.image.mean() - 10) / 40) for f in found] == [0, 1, 2, 3, 4]
    assert [frame.name for frame in found] == [f"0000{i}" for i in range(5)]
    if suffix != "tif":
        assert [frame.time for frame in found] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    mask = save_mask(tmp_path / "m.png", np.ones(SIZE))
    assert single_video(path, mask).length == 5
    if suffix != "gif":
        with pytest.raises(UserError, match="holds 5 pictures, and a frame is one"):
            read_image(path)


def _claiming_png(path: Path, width: int, height: int) -> Path:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0")) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + data)
    return path


@pytest.mark.parametrize("size", [(30_000, 30_000), (9_000, 9_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_is_refused_by_the_size_in_its_header(tmp_path, size):
    path = _claiming_png(tmp_path / "a.png", *size)
    (frame,) = frames_from(path).named()
    assert "than the limit of 64000000" in frame.fault or "not a complete" in frame.fault
    with pytest.raises(UserError, match=r"a\.png"):
        read_mask(path)


def test_the_limit_of_pixels_can_be_set(tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_limit, "_most_pixels", 1000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    folder = _folder(tmp_path / "frames", ["0.png"])
    for source in (folder, write_clip(tmp_path / "a.mp4")):
        with pytest.raises(UserError, match="64x48 pixels are more than the limit of 1000"):
            next(frames_from(source))
    pixel_limit.set_most_pixels(64 * 48)
    assert _shades(frames_from(folder)) == [0]
    with pytest.raises(UserError, match="--max_pixels must be 1 or more, got 0"):
        pixel_limit.set_most_pixels(0)


def test_a_small_archive_that_holds_gigabytes_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(pixel_limit, "_most_pixels", 1000)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dog/00000.png", bytes(9_000))
    masks = ZipOfMasks(tmp_path / "a.zip")
    with pytest.raises(UserError, match="9000 bytes when unpacked, more than a mask of 1000"):
        masks.read(masks.masks("dog")["00000"])


# --- video files


def _encode(path: Path, codec: str, pixels: str = "yuv420p", container: str | None = None, **more):
    """Eight frames, each brighter; skips where this build has no such encoder."""
    try:
        av.Codec(codec, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"no encoder {codec}")
    with av.open(str(path), "w", format=container, options=more.get("muxer", {})) as output:
        stream = output.add_stream(codec, rate=10, options=more.get("options", {}))
        stream.height, stream.width, stream.pix_fmt = *SIZE, pixels
        for name, value in more.get("context", {}).items():
            setattr(stream.codec_context, name, value)
        length = more.get("length", 8)
        for index in range(length):
            shade = _shade(index * (2 if length < 12 else 1))
            frame = av.VideoFrame.from_ndarray(shade, "rgb24")
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "container"),
    [
        ("a.mp4", "libsvtav1", "yuv420p", None),
        ("a.gif", "gif", "rgb8", None),
        ("a.ts", "libx264", "yuv420p", None),
        ("raw.h264", "libx264", "yuv420p", "h264"),
        ("nosuffix", "libx264", "yuv420p", "mp4"),
        ("wrong.txt", "libx264", "yuv420p", "mp4"),
        ("UP.MP4", "libx264", "yuv420p", "mp4"),
        ("a.webm", "libvpx-vp9", "yuva420p", None),
        ("a.mkv", "ffv1", "yuv420p", None),
        ("a.mov", "prores_ks", "yuv422p10le", None),
        ("a.avi", "mjpeg", "yuvj420p", None),
        ("ten.mp4", "libx264", "yuv420p10le", None),
        ("a:b%d.mp4", "libx264", "yuv420p", None),
    ],
)
def test_what_ffmpeg_decodes_is_read_by_content(tmp_path, caplog, name, codec, pixels, container):
    path = tmp_path / name
    _encode(path, codec, pixels, container)
    caplog.clear()
    with frames_from(path) as frames:
        assert frames.length == 8 and frames.frame_rate == pytest.approx(10)
        found = [round((image.mean() - 10) / 20) for image in frames]
    assert found == list(range(8)) and not caplog.text
    mask = save_mask(tmp_path / "m.png", np.ones(SIZE))
    assert single_video(path, mask).length == 8


def test_pictures_of_a_video_are_those_of_opencv(tmp_path):
    path = _encode(tmp_path / "a.mp4", "libx264", context={"colorspace": 1, "color_range": 1})
    capture = cv2.VideoCapture(str(path))
    for image in frames_from(path):
        np.testing.assert_array_equal(image, capture.read()[1][..., ::-1])


def test_a_trimmed_video_has_the_frames_that_are_shown(tmp_path, caplog):
    source = _encode(tmp_path / "a.mp4", "libx264", length=20, options={"g": "20", "bf": "0"})
    edited = tmp_path / "edited.mp4"
    with av.open(str(source)) as old, av.open(str(edited), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                shift = int(Fraction(1, 2) / packet.time_base)
                packet.stream, packet.pts = stream, packet.pts - shift
                packet.dts -= shift
                new.mux(packet)
    with frames_from(edited) as frames:
        found = list(frames.named())
        assert frames.length == len(found) == 15 and frames.fault is None
    assert _shades(frame.image for frame in found) == list(range(5, 20))
    assert not caplog.text


@pytest.mark.parametrize("flags", ["frag_keyframe", "frag_keyframe+empty_moov"])
def test_a_video_in_fragments_has_all_its_frames(tmp_path, flags):
    more = {"muxer": {"movflags": flags}, "options": {"g": "3", "bf": "0"}, "length": 10}
    path = _encode(tmp_path / "a.mp4", "libx264", **more)
    assert count_frames(path) == len(list(frames_from(path))) == 10


def test_the_first_of_several_videos_is_read_and_that_is_said(tmp_path, caplog):
    path = tmp_path / "two.mp4"
    with av.open(str(path), "w") as output:
        streams = [output.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream, width in zip(streams, (64, 96), strict=True):
            stream.width, stream.height, stream.pix_fmt = width, 48, "yuv420p"
        for stream in streams:
            image = np.zeros((48, stream.width, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            output.mux(stream.encode(None))
    (image,) = frames_from(path)
    assert image.shape == (48, 64, 3)
    assert "two.mp4: holds 2 videos; the first is read (64x48)" in caplog.text


def test_sound_alone_is_no_video(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(UserError, match=r"a\.m4a: there is no video in this file \(audio only\)"):
        frames_from(path)


def test_playlists_and_texts_are_not_followed(tmp_path):
    _encode(tmp_path / "a.ts", "libx264")
    (tmp_path / "a.m3u8").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n"
    )
    (tmp_path / "b.mp4").write_text("ffconcat version 1.0\nfile a.ts\n")
    (tmp_path / "c.ans").write_text("hello\n" * 100)
    for name in ("a.m3u8", "b.mp4", "c.ans"):
        with pytest.raises(UserError, match="cannot be opened as a video"):
            frames_from(tmp_path / name)


def test_a_cut_mkv_says_how_much_is_missing(tmp_path):
    path = _encode(tmp_path / "a.mkv", "ffv1", length=20)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with frames_from(path) as frames:
        found = list(frames.named())
    assert 5 <= len(found) <= 12 and f"only {len(found)} of 20 announced" in frames.fault


def test_a_video_of_high_dynamic_range_is_warned_about(tmp_path, caplog):
    path = _encode(tmp_path / "a.mp4", "libx264", "yuv420p10le", context={"color_trc": 16})
    assert len(list(frames_from(path))) == 8
    assert "a.mp4: an HDR video (PQ)" in caplog.text


def test_pixels_that_are_not_square_stay_so_in_the_overlay(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    wide = {"sample_aspect_ratio": Fraction(4, 3)}
    path = _encode(tmp_path / "a.mp4", "libx264", context=wide)
    with frames_from(path) as frames:
        assert frames.pixel_aspect == Fraction(4, 3) and next(frames).shape == (*SIZE, 3)
    assert "masks are of the size of the stored frames, 64x48" in caplog.text
    with VideoWriter(tmp_path / "b.mp4", 10, pixel_aspect=frames.pixel_aspect) as video:
        video.write(_shade(0))
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)


TIMES = [0.2 * i for i in range(10)] + [2 + i / 30 for i in range(30)]


def _varying(path: Path) -> Path:
    """5 frames a second, then 30; white at second 2; with sound."""
    clip = write_clip(path.with_name("sound.mkv"), length=30, rate=10, sound="aac")
    with VideoWriter(path, 13, clip) as video:
        for index, shown_at in enumerate(TIMES):
            image = np.full((*SIZE, 3), 250 if 10 <= index < 14 else 40, np.uint8)
            video.write(image, time=shown_at)
    return path


def test_frames_of_varying_rate_keep_their_times_and_their_sound(tmp_path, checkpoint):
    source = _varying(tmp_path / "a.mp4")
    with frames_from(source) as frames:
        assert [f.time for f in frames.named()] == pytest.approx(TIMES, abs=0.012)
    mask = np.zeros(SIZE)
    mask[10:34, 10:34] = 1
    given = ["--mask", save_mask(tmp_path / "m.png", mask), "--output", tmp_path / "out"]
    ended = run("--input", source, *given, *nano(checkpoint), main=command.main)
    assert ended.archive, ended.stderr
    with frames_from(tmp_path / "out" / "overlay.mp4") as frames:
        found = list(frames.named())
    assert [f.time for f in found] == pytest.approx(TIMES, abs=0.025)
    bright = [f.time for f in found if f.image[40:].mean() > 150]
    assert min(bright) == pytest.approx(2.0, abs=0.025)
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as container:
        (sound,) = container.streams.audio
        assert float(sound.duration * sound.time_base) == pytest.approx(2.97, abs=0.12)


def test_times_of_a_steady_video_give_its_exact_rate(tmp_path):
    rate = Fraction(30_000, 1001)
    with VideoWriter(tmp_path / "a.mp4", float(rate)) as video:
        for index in range(9):  # as a container in milliseconds says them
            video.write(_shade(index), time=7 + round(index / float(rate), 3))
    with av.open(str(tmp_path / "a.mp4")) as container:
        (stream,) = container.streams
        assert stream.average_rate == rate and stream.frames == 9


def test_times_that_jump_back_go_on(tmp_path):
    part = _encode(tmp_path / "a.ts", "libx264")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(part.read_bytes() * 2)
    times = [frame.time for frame in frames_from(joined).named()]
    assert len(times) > 10 and all(a < b for a, b in itertools.pairwise(times))


def test_a_mask_of_too_many_pixels_is_refused_as_bytes(monkeypatch):
    monkeypatch.setattr(pixel_limit, "_most_pixels", 10)
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    with pytest.raises(UserError, match="8x8 pixels are more than the limit of 10"):
        decode_mask(buffer.getvalue(), "a.png")
