"""The evaluation run behind ``tools/eval.py``: checkpoint, videos, masks, report."""

import argparse
import logging

import torch

from mavos.configs.schema import Config
from mavos.evaluation import speed
from mavos.evaluation.options import parse
from mavos.evaluation.resolved import Evaluation, resolve
from mavos.evaluation.results import ResultFolder, VideoRecord
from mavos.evaluation.scores import score_run
from mavos.evaluation.worker import VideoWorker
from mavos.run import entry
from mavos.run.build import build
from mavos.run.devices import prepare_to_segment, weight_dtype
from mavos.utils import distributed, ranks
from mavos.utils.device import device_name, pick_device
from mavos.utils.errors import UserError
from mavos.utils.files import write_json
from mavos.utils.launch import launch
from mavos.utils.logging import run_header, setup_logging

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    asked = parse(argv)
    if asked is None:
        return entry.perform("demo", argv)
    cfg, args = asked
    if args.gpu_num > 1 and not ranks.is_launched():
        _check(cfg, args)
        return launch(args.gpu_num, "mavos.tools.eval", argv)
    setup_logging(ranks.rank())
    device = prepare_to_segment(cfg.eval, args.gpu_id + ranks.local_rank())
    distributed.init_distributed(device)
    log.info(run_header(device_name(device)))
    try:
        return evaluate(cfg, args.score, device)
    finally:
        distributed.leave()


def _check(cfg: Config, args: argparse.Namespace) -> None:
    """Raise a user's mistake once, before several processes would each raise it."""
    devices = [pick_device(cfg.eval.device, args.gpu_id + n) for n in range(args.gpu_num)]
    resolve(cfg, devices[0])
    for device in devices[1:]:
        weight_dtype(cfg.eval, device)


def evaluate(cfg: Config, score: bool, device: torch.device) -> int:
    """Everything after the options: returns the exit status."""
    with distributed.together():
        run = resolve(cfg, device)
        folder = ResultFolder(run.folder)
        model, input_rule = build(cfg, run.checkpoint, device)
        if ranks.rank() == 0:
            folder.claim(run.settings(), cfg.eval.overwrite, run.default_settings())
    _announce(run, folder, device)
    videos = run.data.videos
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
    _report(run, records, failed, folder, device)
    if score:
        score_run(run.data, folder.folder)
    return 0


def _announce(run: Evaluation, folder: ResultFolder, device: torch.device) -> None:
    """Log what is going to happen."""
    title, count = run.cfg.model.title, len(run.data.videos)
    log.info("%s with %s on %d videos of %s", title, run.checkpoint, count, run.where)
    log.info(
        "%s, %s, %d CPU threads, compile %s",
        device_name(device),
        run.precision,
        torch.get_num_threads(),
        "on" if run.cfg.eval.compile else "off",
    )
    log.info("results go to %s", folder.folder)
    if run.cfg.eval.videos:
        log.warning("only the first %d videos: a look, not the benchmark", count)


def _report(
    run: Evaluation,
    records: dict[str, VideoRecord],
    failed: dict[str, str],
    folder: ResultFolder,
    device: torch.device,
) -> None:
    """Speed table and archive; raises UserError, with what is kept, if videos failed."""
    videos = run.data.videos
    records = {v.name: records[v.name] for v in videos if v.name in records}
    summary = speed.summarize(records, device_name(device))
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
    print(folder.pack(videos, run.data.row.zip_top))
