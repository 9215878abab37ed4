"""One process's share of an evaluation run: takes videos from the queue, leaves masks on disk."""

import logging
import time

import torch

from mavos.configs.schema import DataConfig
from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.media.mask_writing import MaskWriter
from mavos.dataloaders.media.video_reader import VideoReader
from mavos.dataloaders.types import Video
from mavos.evaluation.results import ResultFolder, VideoRecord
from mavos.networks.segmenter import VideoSegmenter
from mavos.run.memory import out_of_memory_reported
from mavos.run.progress import progress_bar
from mavos.tracking.frame_loop import segment_video
from mavos.tracking.stopwatch import Stopwatch
from mavos.utils import distributed, ranks
from mavos.utils.device import background_threads, peak_memory_bytes, reset_peak_memory
from mavos.utils.errors import OutputError, UserError

log = logging.getLogger(__name__)


def reader_for(
    video: Video, input_rule: InputRule, device: torch.device, data: DataConfig
) -> VideoReader:
    """Reads a video for a network on ``device``, fast enough for it."""
    threads = data.threads or background_threads(device)
    ahead = max(data.ahead, 2 * threads)
    return VideoReader(video, input_rule, ahead, threads, pin=device.type == "cuda")


class VideoWorker:
    """Segments videos with one model on one device."""

    def __init__(
        self,
        model: VideoSegmenter,
        input_rule: InputRule,
        folder: ResultFolder,
        device: torch.device,
        data: DataConfig,
    ):
        self.model, self.input_rule, self.folder = model, input_rule, folder
        self.device, self.data = device, data

    def run(self, videos: list[Video]) -> tuple[dict[str, VideoRecord], dict[str, str]]:
        """Segment what this process gets of ``videos``, which all processes list alike.

        Returns the records of the finished ones and the messages of those that failed, by name.
        """
        done, failed = {}, {}
        all_frames = distributed.Counter("frames")
        progress = progress_bar(
            sum(v.length for v in videos), disable=ranks.rank() > 0 or not videos
        )

        def tick() -> None:
            progress.update(all_frames.add(1) - progress.n)

        try:
            with progress, MaskWriter(background_threads(self.device)) as writer:
                for index in distributed.WorkQueue("videos", len(videos)):
                    video = videos[index]
                    progress.set_description(video.name)
                    try:
                        with out_of_memory_reported("lower --max_resolution, add --amp"):
                            done[video.name] = self._segment(video, writer, tick)
                    except OutputError:
                        raise
                    except UserError as error:
                        failed[video.name] = str(error)
                    if video.name in failed:
                        log.error("%s: %s", video.name, failed[video.name])
        except OutputError as error:  # the next video could not be written either
            failed[video.name] = str(error)
        return done, failed

    def _segment(self, video: Video, writer: MaskWriter, tick) -> VideoRecord:
        """One video from files to masks on disk; ``tick`` is called after each frame."""
        reset_peak_memory(self.device)
        started, stopwatch, frames = time.perf_counter(), Stopwatch(self.device), 0
        reader = reader_for(video, self.input_rule, self.device, self.data)
        for name, labels in segment_video(self.model, reader, self.device, stopwatch):
            writer.write(self.folder.mask_path(video, name), reader.ids.restore(labels.numpy()))
            frames += 1
            tick()
        writer.flush()
        record = VideoRecord(
            frames=frames,
            predicted_frames=stopwatch.laps,
            objects=len(reader.ids.ids),
            model_seconds=stopwatch.seconds(),
            wall_seconds=time.perf_counter() - started,
            peak_memory_bytes=peak_memory_bytes(self.device),
        )
        self.folder.finish(video, record)
        return record
