"""Media files through FFmpeg (PyAV): opened safely, their picture found, their size judged."""

import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from mavos.dataloaders.media.captures import shown
from mavos.utils.errors import UserError
from mavos.utils.pixel_limit import check_pixels

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

log = logging.getLogger(__name__)

# Containers of pictures that FFmpeg knows by their content. Not among them: playlists, which are
# texts that name other files; texts drawn as pictures; single pictures, which ``images`` reads.
_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,mpegvideo,m4v,h261,h263,h264,hevc,vvc,av1,obu,ivf,vc1,gif,apng,"
    "jpegxl_anim,flv,asf,ogg,mxf,mxf_opatom,gxf,dv,rm,wtv,nut,nsv,yuv4mpegpipe,mjpeg,dnxhd,dirac,"
    "cavsvideo,avs2,avs3,smjpeg,swf,flic,roq,bink,smk,cine,ser"
)
_TIMEOUT = 10.0  # seconds without an answer after which a network counts as broken
_MOST_FRAMES = 10_000_000  # four days at 30 a second
_MOST_FAULTS = 100  # of reading a file, after which nothing more is expected of it
_HDR_CURVES = {16: "PQ", 18: "HLG"}  # transfer characteristics of ITU-T H.273


def open_media(source: Path | str) -> "InputContainer":
    """A local file, whatever its name, or the http(s) URL of one.

    Raises av.FFmpegError or OSError if it is none of the kinds of files that FFmpeg may read.
    """
    import av

    options = {"format_whitelist": _FORMATS}
    if isinstance(source, str):
        return av.open(source, options=options, timeout=_TIMEOUT)
    # "file:", or a name such as "a:b.mp4" would be a protocol
    path = f"file:{os.path.abspath(source)}"
    return av.open(path, options=options | {"protocol_whitelist": "file"})


def open_video(source: Path | str) -> tuple["InputContainer", "VideoStream"]:
    """The same, and the stream of its pictures, ready to decode.

    Raises UserError if it cannot be opened, holds no picture, or if its header says of it what
    cannot be true or is more than the limits.
    """
    import av

    name = shown(source)
    if isinstance(source, Path) and not source.is_file():
        kind = "is no file that holds data" if source.exists() else "no such video file"
        raise UserError(f"{name}: {kind}; check the path")
    size = source.stat().st_size if isinstance(source, Path) else None
    try:
        container = open_media(source)
    except (av.FFmpegError, OSError, ValueError) as error:
        size_told = "" if size is None else f" ({size} bytes)"
        raise UserError(
            f"{name}: cannot be opened as a video{size_told}. It may be cut off, empty or of an "
            "unknown kind: copy it again, or extract its frames to a folder with ffmpeg"
        ) from error
    try:
        stream = picture_stream(container, name)
        _check_claims(stream, size, name)
    except UserError:
        container.close()
        raise
    return container, stream


def packets(container: "InputContainer", *streams: "VideoStream") -> Iterator["Packet"]:
    """Those of the ``streams``, or of all, and on behind damage; the last one is empty."""
    import av

    faults = 0
    while faults < _MOST_FAULTS:
        try:
            yield from container.demux(*streams)
            return
        except (av.FFmpegError, OSError):
            faults += 1


def picture_stream(container: "InputContainer", name: str) -> "VideoStream":
    """The first video of a file; UserError if it has none that can be decoded."""
    videos = _videos(container)
    if not videos:
        held = sorted({stream.type for stream in container.streams})
        raise UserError(
            f"{name}: there is no video in this file ({', '.join(held) or 'nothing'} only)"
        )
    first = videos[0]
    if first.codec_context is None:
        raise UserError(
            f"{name}: its codec is unknown to this build of FFmpeg; extract its frames to a folder "
            "with another program, or encode it anew"
        )
    return first


def _videos(container: "InputContainer") -> list["VideoStream"]:
    """Cover pictures left aside."""
    from av.stream import Disposition

    cover = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in container.streams.video if not stream.disposition & cover]


def _check_claims(stream: "VideoStream", size: int | None, name: str) -> None:
    """Raises UserError before anything is made as large as a header says."""
    check_pixels(stream.width, stream.height, name)
    frames = stream.frames
    if size is not None and frames > size:
        raise UserError(
            f"{name}: its header says that it holds {frames} frames, in {size} bytes; it is "
            "damaged. Copy it again, or encode it anew with ffmpeg"
        )
    if frames > _MOST_FRAMES:
        raise UserError(f"{name}: {frames} frames are more than the limit of {_MOST_FRAMES}")


def report(stream: "VideoStream", name: str) -> None:
    """Log what is left out, or not seen as it is meant."""
    videos = len(_videos(stream.container))
    if videos > 1:
        log.warning(
            "%s: holds %d videos; the first is read (%dx%d), the others are left out",
            name,
            videos,
            stream.width,
            stream.height,
        )
    aspect = pixel_aspect(stream)
    if aspect is not None:
        log.info(
            "%s: its pixels are %.3f times as wide as high; masks are of the size of the stored "
            "frames, %dx%d",
            name,
            aspect,
            stream.width,
            stream.height,
        )
    curve = _HDR_CURVES.get(int(stream.codec_context.color_trc or 0))
    if curve is not None:
        log.warning(
            "%s: an HDR video (%s), whose colours are taken as they are stored, so it looks pale; "
            "convert it to SDR for better masks",
            name,
            curve,
        )


def pixel_aspect(stream: "VideoStream") -> Fraction | None:
    """Width of a pixel in its heights, where pixels are not square."""
    aspect = stream.sample_aspect_ratio
    return aspect if aspect and aspect > 0 and aspect != 1 else None
