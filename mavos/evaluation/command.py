"""The evaluation run behind ``tools/eval.py``: checkpoint, videos, masks, report."""

import argparse
import dataclasses
import json
import logging
from pathlib import Path

import torch

from mavos.configs.schema import Config, DataConfig, EvalConfig
from mavos.dataloaders.listings.eval_datasets import find_dataset, list_videos
from mavos.dataloaders.listings.eval_videos import single_video
from mavos.dataloaders.types import Video
from mavos.evaluation import speed
from mavos.evaluation.options import parse
from mavos.evaluation.results import ResultFolder, VideoRecord
from mavos.evaluation.scores import score_run
from mavos.evaluation.worker import VideoWorker
from mavos.run.build import build
from mavos.run.devices import precision_of, prepare_to_segment, weight_dtype
from mavos.run.find_checkpoint import find_checkpoint
from mavos.utils import distributed, ranks
from mavos.utils.device import device_name, pick_device
from mavos.utils.errors import UserError
from mavos.utils.files import write_json
from mavos.utils.launch import launch
from mavos.utils.logging import run_header, setup_logging
from mavos.utils.paths import RESULTS, data_root

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    cfg, args = parse(argv)
    if args.gpu_num > 1 and not ranks.is_launched():
        _videos(cfg, args), find_checkpoint(cfg)  # a mistake there is told once, not by everyone
        for number in range(args.gpu_num):
            # refused once, not by each
            weight_dtype(cfg.eval, pick_device(cfg.eval.device, args.gpu_id + number))
        return launch(args.gpu_num, "mavos.tools.eval", argv)
    setup_logging(ranks.rank())
    device = prepare_to_segment(cfg.eval, args.gpu_id + ranks.local_rank())
    distributed.init_distributed(device)
    log.info(run_header(device_name(device)))
    try:
        return evaluate(cfg, args, device)
    finally:
        distributed.leave()


def evaluate(cfg: Config, args: argparse.Namespace, device: torch.device) -> int:
    """Everything after the options: returns the exit status."""
    with distributed.together():
        videos, zip_top, where = _videos(cfg, args)
        checkpoint = find_checkpoint(cfg)
        run_folder = RESULTS / where / _run_name(cfg, args, checkpoint)
        folder = ResultFolder(Path(cfg.eval.output) if cfg.eval.output else run_folder)
        model, input_rule = build(cfg, checkpoint, device)
        if ranks.rank() == 0:
            settings = _settings(cfg, args, checkpoint, device)
            folder.claim(settings, cfg.eval.overwrite, _defaults(cfg))
    log.info("%s with %s on %d videos of %s", cfg.model.title, checkpoint, len(videos), where)
    log.info(
        "%s, %s, %d CPU threads, compile %s",
        device_name(device),
        precision_of(cfg.eval, device),
        torch.get_num_threads(),
        "on" if cfg.eval.compile else "off",
    )
    log.info("results go to %s", folder.folder)

    records = {v.name: record for v in videos if (record := folder.finished(v)) is not None}
    distributed.barrier()  # nobody starts before everybody has seen the same state
    if records:
        log.info(
            "%d finished videos are skipped, with the speeds they had; --overwrite does them again",
            len(records),
        )
    # longest first: nobody waits in the end for a long video that was started last
    todo = sorted((v for v in videos if v.name not in records), key=lambda v: (-v.length, v.name))
    worker = VideoWorker(model, input_rule, folder, device, cfg.data)
    gathered = distributed.gather_objects(worker.run(todo))
    if gathered is None:
        return 0  # rank 0 reports
    failed = {}
    for rank_done, rank_failed in gathered:
        records |= rank_done
        failed |= rank_failed
    status = _report(videos, records, failed, folder, zip_top, device_name(device))
    if args.score and args.input is None:
        name, dataset = find_dataset(cfg.eval.dataset)
        score_run(name, cfg.eval.split or dataset.splits[0], videos, folder.folder)
    return status


def _report(
    videos: list[Video],
    records: dict[str, VideoRecord],
    failed: dict[str, str],
    folder: ResultFolder,
    zip_top: str,
    device_name: str,
) -> int:
    """Speed table and archive; raises UserError, with what is kept, if videos failed."""
    records = {v.name: records[v.name] for v in videos if v.name in records}
    summary = speed.summarize(records, device_name)
    if records:
        log.info("done\n%s", speed.table(summary))
    if failed:
        listed = "\n".join(f"  {name}: {message}" for name, message in failed.items())
        raise UserError(
            f"{len(failed)} of {len(videos)} videos failed, so no zip was made:\n{listed}\n"
            f"{len(records)} finished videos are kept in {folder.annotations}; "
            "mend what failed and run the same command again"
        )
    write_json(folder.folder / "speed.json", summary)
    print(folder.pack(videos, records, zip_top))
    return 0


def _videos(cfg: Config, args: argparse.Namespace) -> tuple[list[Video], str, str]:
    """The videos, the folder that the archive's content lies under, and a name for the results."""
    if args.input is not None:
        return [single_video(args.input, args.mask)], "", "own_videos"
    name, dataset = find_dataset(cfg.eval.dataset)
    split = cfg.eval.split or dataset.splits[0]
    videos = list_videos(name, split, data_root(cfg.data.root))
    return videos, dataset.zip_top, name if split == dataset.splits[0] else f"{name}_{split}"


def _run_name(cfg: Config, args: argparse.Namespace, checkpoint: Path) -> str:
    parts = [cfg.exp_name, cfg.model.title, cfg.stage, checkpoint.stem]
    if cfg.eval.flip:
        parts.append("flip")
    if cfg.eval.multiscale:
        parts.append("ms")
    if args.input is not None:
        parts.append(args.input.stem)
    return "_".join(parts)


def _settings(
    cfg: Config, args: argparse.Namespace, checkpoint: Path, device: torch.device
) -> dict:
    """What decides the masks; a run goes on only with the same."""
    settings = dataclasses.asdict(cfg)
    del settings["train"]
    for elsewhere in ("output", "overwrite", "device", "checkpoint", "checkpoint_step", "ema"):
        del settings["eval"][elsewhere]
    for only_speed in ("threads", "compile"):
        del settings["eval"][only_speed]
    for only_speed in cfg.model.speed_only:
        del settings["model"][only_speed]
    del settings["eval"]["amp"]  # another name for one of the precisions
    settings["eval"]["dtype"] = precision_of(cfg.eval, device)
    # the videos by where they are: names have aliases and defaults, folders may be relative
    for spelled_out in ("dataset", "split"):
        del settings["eval"][spelled_out]
    if args.input is not None:
        source = {"input": str(args.input.resolve()), "mask": str(args.mask.resolve())}
    else:
        name, dataset = find_dataset(cfg.eval.dataset)
        source = {"dataset": name, "split": cfg.eval.split or dataset.splits[0]}
        source["root"] = str(data_root(cfg.data.root).resolve())
    weights = {"path": str(checkpoint), "bytes": checkpoint.stat().st_size}
    settings |= {"data": source, "checkpoint": weights}
    return json.loads(json.dumps(settings))


def _defaults(cfg: Config) -> dict:
    """Settings by default, as ``_settings`` writes them: older results may lack newer fields."""
    sections = {"model": type(cfg.model), "data": DataConfig, "eval": EvalConfig}
    return {
        section: {
            field.name: field.default
            for field in dataclasses.fields(kind)
            if field.default is not dataclasses.MISSING
        }
        for section, kind in sections.items()
    }
