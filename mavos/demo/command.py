"""The run behind ``tools/demo.py``: one video from its source to masks and pictures."""

import argparse
import contextlib
import logging
from collections.abc import Iterator
from glob import has_magic
from itertools import chain
from pathlib import Path

import torch

from mavos.configs.schema import Config
from mavos.dataloaders.media.captures import shown
from mavos.dataloaders.media.frame_sources import frames_from
from mavos.dataloaders.media.frames import Frames, SourceFrame
from mavos.dataloaders.media.mask_writing import MaskWriter
from mavos.demo.folder import DemoFolder
from mavos.demo.given import check_masks, mask_files, masks_by_index
from mavos.demo.options import parse
from mavos.demo.overlay import OverlayWriter
from mavos.demo.preview import Preview
from mavos.demo.summary import Summary
from mavos.demo.thumbnails import Thumbnails
from mavos.demo.tracking import Tracked, first_good, track
from mavos.pictures.drawing import overlay
from mavos.pictures.video_output import VideoWriter
from mavos.run.build import build
from mavos.run.devices import precision_of, prepare_to_segment
from mavos.run.find_checkpoint import find_checkpoint
from mavos.run.memory import out_of_memory_reported
from mavos.run.progress import progress_bar
from mavos.run.stop_request import StopRequest
from mavos.tracking.tracker import VideoTracker
from mavos.utils.device import device_name
from mavos.utils.errors import UserError
from mavos.utils.logging import run_header, setup_logging
from mavos.utils.paths import RESULTS

log = logging.getLogger(__name__)

_USUAL_RATE = 24.0  # frames per second, where a source has none


def main(argv: list[str]) -> int:
    cfg, args = parse(argv)
    setup_logging()
    device = prepare_to_segment(cfg.eval, args.gpu_id)
    log.info(run_header(device_name(device)))
    with contextlib.ExitStack() as stack:
        preview = stack.enter_context(contextlib.closing(Preview())) if args.preview else None
        checkpoint = find_checkpoint(cfg)
        frames = stack.enter_context(
            frames_from(
                args.input,
                start=args.start,
                end=args.end,
                every=args.every,
                without=mask_files(args.mask),
            )
        )
        # what is wrong with the masks is reported before the network loads and the folder changes
        masks = masks_by_index(args.mask, frames)
        named = frames.named()
        seen, first_image = first_good(named, shown(args.input))
        check_masks(masks, first_image.shape[:2])
        tracker = VideoTracker(*build(cfg, checkpoint, device), device)
        folder = DemoFolder(Path(args.output or RESULTS / f"demo_{frames.name}"), frames.name)
        settings = _settings(cfg, args, checkpoint, device)
        folder.claim(settings, masks.values())
        log.info("%s with %s on %s", cfg.model.title, checkpoint, shown(args.input))
        tracked = track(tracker, chain(seen, named), masks, first_image)
        run = _Run(frames, folder, settings, keeps_times=args.fps is None)
        with StopRequest("finishing what is begun", frames.stop) as stop:
            return run.through(tracked, _video_writer(args, frames, seen[0], folder), stop, preview)


class _Run:
    """One video on its way to the result folder."""

    def __init__(
        self, frames: Frames, folder: DemoFolder, settings: dict, keeps_times: bool
    ) -> None:
        """keeps_times: whether frames are shown in the overlay when they are in the source."""
        self._frames, self._folder, self._settings = frames, folder, settings
        self._summary, self._thumbnails = Summary(), Thumbnails()
        self._keeps_times = keeps_times
        self._last_index: int | None = None

    def through(
        self,
        tracked: Iterator[Tracked],
        video: VideoWriter,
        stop: StopRequest,
        preview: Preview | None,
    ) -> int:
        """Returns the exit status. Whatever ends the loop, what is done is kept and packed."""
        goes_on = True
        try:
            with out_of_memory_reported("lower --max_resolution, add --amp"):
                goes_on = self._write_all(tracked, video, stop, preview)
        except KeyboardInterrupt:  # asked to stop once more
            if not self._summary.frames:
                raise
        except UserError:
            if self._summary.frames:
                self._finish(stopped=True)
            raise
        self._finish(stopped=stop.requested or not goes_on)
        print(self._folder.archive)
        return stop.status if stop.requested else 0

    def _write_all(
        self,
        tracked: Iterator[Tracked],
        video: VideoWriter,
        stop: StopRequest,
        preview: Preview | None,
    ) -> bool:
        """Returns whether the frames ended of their own or by ``stop``, not in the preview."""
        with (
            MaskWriter() as masks,
            video,
            OverlayWriter(video, self._thumbnails) as drawn,
            progress_bar(self._frames.length, desc=self._frames.name) as progress,
        ):
            for item in tracked:
                masks.write(self._folder.mask_path(item.frame.name), item.labels)
                time = item.frame.time if self._keeps_times else None
                missing = self._missing_before(item)
                drawn.write(item.image, item.labels, item.frame.name, missing, time)
                self._summary.add(item)
                progress.set_postfix_str(f"objects: {self._summary.objects}", refresh=False)
                progress.update()
                if preview is not None:
                    picture = overlay(item.image, item.labels, show_ids=True)
                    if not preview.show(picture):
                        return False
                if stop.requested:
                    return True
        return True

    def _missing_before(self, item: Tracked) -> int:
        """Frames between this one and the last that a camera dropped."""
        last, self._last_index = self._last_index, item.frame.index
        return 0 if last is None else (item.frame.index - last) // self._frames.wanted.every - 1

    def _finish(self, stopped: bool) -> None:
        """Contact sheet, archive and summary of what is done."""
        folder, figures = self._folder, self._summary.figures()
        self._thumbnails.write(folder.contact_sheet)
        folder.pack()
        ending = {"finished": not stopped, "fault": self._frames.fault}
        dropped = {"dropped_frames": self._frames.dropped}
        folder.write_summary(self._settings | ending | dropped | figures)
        log.info(
            "%s %d frames, %.1f a second (network alone: %.1f), %d damaged",
            "stopped after" if stopped else "done:",
            figures["frames"],
            figures["fps"],
            figures["network_fps"],
            len(figures["damaged_frames"]),
        )
        log.info("video %s, sheet %s", folder.overlay, folder.contact_sheet)


def _video_writer(
    args: argparse.Namespace, frames: Frames, first: SourceFrame, folder: DemoFolder
) -> VideoWriter:
    """For the overlay, with the sound of the source where it fits."""
    source_rate = frames.frame_rate and frames.frame_rate * args.every
    has_time = args.every == 1 and args.fps is None and source_rate is not None
    start = 0.0
    if has_time:
        start = args.start / source_rate if first.time is None else first.time
    if frames.audio is not None and not has_time:
        log.info("sound is left out: with --every or --fps it would not fit the pictures")
    return VideoWriter(
        folder.overlay,
        args.fps or frames.frame_rate or _USUAL_RATE,
        frames.audio if has_time else None,
        start,
        keep_partial=True,
        pixel_aspect=frames.pixel_aspect,
    )


def _settings(
    cfg: Config, args: argparse.Namespace, checkpoint: Path, device: torch.device
) -> dict:
    """What the masks were made from, for the summary."""
    path = Path(args.input)
    is_local = "://" not in args.input and (path.exists() or has_magic(args.input))
    return {
        "input": str(path.resolve()) if is_local else shown(args.input),
        "masks": args.mask,
        "start": args.start,
        "end": args.end,
        "every": args.every,
        "model": cfg.name,
        "checkpoint": str(checkpoint),
        "device": device_name(device),
        "precision": precision_of(cfg.eval, device),
        "overrides": args.overrides,
    }
