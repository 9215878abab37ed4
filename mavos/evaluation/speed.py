"""Frames per second and memory of an evaluation run, as a table and as JSON."""

from mavos.evaluation.results import VideoRecord


def summarize(records: dict[str, VideoRecord], device: str) -> dict:
    """Figures of every video and in total, ready for JSON.

    All-frame FPS pools the predicted frames of all videos; all-sequence FPS averages the videos'
    seconds per frame, so that each video counts the same. Both count the model alone; end-to-end
    FPS counts all frames, and the time of reading them too, of each process.
    """
    timed = [r for r in records.values() if r.model_seconds > 0 and r.predicted_frames]
    seconds_per_frame = [r.model_seconds / r.predicted_frames for r in timed]
    return {
        "device": device,
        "total": {
            "videos": len(records),
            "frames": sum(r.frames for r in records.values()),
            "objects": sum(r.objects for r in records.values()),
            "all_frame_fps": _ratio(
                sum(r.predicted_frames for r in timed), sum(r.model_seconds for r in timed)
            ),
            "all_sequence_fps": _ratio(len(timed), sum(seconds_per_frame)),
            "end_to_end_fps": _ratio(
                sum(r.frames for r in records.values()),
                sum(r.wall_seconds for r in records.values()),
            ),
            "peak_memory_bytes": max((r.peak_memory_bytes for r in records.values()), default=0),
        },
        "videos": {
            name: {
                "frames": r.frames,
                "objects": r.objects,
                "fps": _ratio(r.predicted_frames, r.model_seconds),
                "end_to_end_fps": _ratio(r.frames, r.wall_seconds),
                "peak_memory_bytes": r.peak_memory_bytes,
            }
            for name, r in records.items()
        },
    }


def table(summary: dict) -> str:
    """The summary as lines of text."""
    total = summary["total"]
    width = max([len("total"), *(len(name) for name in summary["videos"])])
    lines = [f"{'video':{width}}  frames  objects      FPS  end to end  peak memory"]
    for name, r in summary["videos"].items():
        lines.append(_row(name, width, r, r["fps"]))
    lines.append(_row("total", width, total, total["all_frame_fps"]))
    lines.append(
        f"model alone on {summary['device']}, first frames of videos left out: "
        f"{total['all_frame_fps']:.2f} FPS over all frames, "
        f"{total['all_sequence_fps']:.2f} FPS over sequences"
    )
    return "\n".join(lines)


def _row(name: str, width: int, r: dict, fps: float) -> str:
    shown = f"{fps:7.2f}" if fps else f"{'-':>7}"  # a video of one frame has none to predict
    figures = f"{r['frames']:6d}  {r['objects']:7d}  {shown}  {r['end_to_end_fps']:10.2f}"
    return f"{name:{width}}  {figures}  {r['peak_memory_bytes'] / 2**30:7.2f} GiB"


def _ratio(count: float, seconds: float) -> float:
    return count / seconds if seconds > 0 else 0.0
