"""The training run behind ``tools/train.py``: weights to start from, the loop, checkpoints."""

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import torch

from mavos.configs.schema import Config
from mavos.dataloaders.clips.train_clips import load_clips
from mavos.dataloaders.inputs import InputRule
from mavos.dataloaders.listings.train_datasets import clip_sources
from mavos.dataloaders.types import Clips
from mavos.networks import build_model, weights
from mavos.networks.segmenter import TrainableSegmenter
from mavos.run.devices import prepare
from mavos.run.find_checkpoint import find_start, run_folder, saved_steps
from mavos.run.memory import out_of_memory_reported
from mavos.run.stop_request import StopRequest
from mavos.training.log import TrainLog
from mavos.training.options import parse
from mavos.training.state import RunFolder
from mavos.training.step import Trainer
from mavos.training.validation import validate, validation_videos
from mavos.utils import distributed, ranks
from mavos.utils.device import device_name
from mavos.utils.errors import UserError
from mavos.utils.launch import launch
from mavos.utils.logging import run_header, setup_logging
from mavos.utils.paths import PRETRAINED, data_root

log = logging.getLogger(__name__)


def main(argv: list[str]) -> int:
    cfg, args = parse(argv)
    if not ranks.is_launched() and (count := processes(cfg.train.device, args)) > 1:
        return launch(count, "mavos.tools.train", argv, address(args.dist_url))
    setup_logging(ranks.rank())
    device = prepare(cfg.train.device, args.gpu_id + ranks.local_rank())
    torch.backends.cudnn.benchmark = True  # all clips have one size
    distributed.init_distributed(device)
    try:
        with out_of_memory_reported(
            f"set train.clips_per_device to less than {cfg.train.clips_per_device} (the batch "
            "stays as large), or add --amp or --checkpoint_activations. The last checkpoint is kept"
        ):
            return train(cfg, device)
    finally:
        distributed.leave()


def train(cfg: Config, device: torch.device) -> int:
    """Everything after the options: returns the exit status."""
    folder = RunFolder(run_folder(cfg), cfg)
    with distributed.together():
        sources = clip_sources(cfg.train, data_root(cfg.data.root))
        to_validate = validation_videos(cfg)
        if ranks.rank() == 0:
            setup_logging(0, folder.folder / "train.log")
            log.info(run_header(device_name(device)))
            folder.sweep()
        torch.manual_seed(cfg.train.seed)
        model = build_model(cfg.model)
        model.check_device(device, torch.float32)
        if folder.newest() is None:
            load_start(model, cfg)
        trainer = Trainer(model, cfg, device)
        distributed.seed_rank(cfg.train.seed)
        step, log_state = folder.resume(trainer)
        clips = load_clips(
            cfg.train,
            sources,
            clip_side(cfg.train.crop, model),
            model.max_objects,
            first_step=step or cfg.train.first_step,
            rank=ranks.rank(),
            world_size=ranks.world_size(),
            pin_memory=device.type == "cuda",
        )
        is_done = step >= cfg.train.steps
        if ranks.rank() == 0 and not is_done:
            folder.write_config()
    with distributed.together():
        if not distributed.agree(step):
            raise UserError(
                f"the machines of this run do not see the same checkpoints in {folder.folder}; "
                "let them share that folder, or remove it on all"
            )
    if is_done:
        log.info(
            "all %d steps are done; raise --total_step, or choose another --exp_name or --output",
            step,
        )
        return _finished(folder)
    _announce(cfg, trainer, sources, folder)
    watch = TrainLog(folder.folder, cfg.train, device, active=ranks.rank() == 0)
    watch.begin(step or cfg.train.first_step, log_state)
    with StopRequest("saving after this step") as stop, watch, closing(clips):
        stopped = loop(cfg, trainer, clips, folder, watch, stop, to_validate, device)
    if stopped:
        log.warning("stopped; the same command resumes from here")
        return stop.status
    return _finished(folder)


def _finished(folder: RunFolder) -> int:
    """Name the averaged weights on standard output, the best validated ones if there are any;
    status 0."""
    if ranks.rank() == 0:
        best = folder.best()
        if best:
            log.info("best at step %d, J&F %.4f", best["step"], best["score"])
        print(folder.best_path if best else list(saved_steps(folder.averages).values())[-1])
    return 0


def loop(
    cfg: Config,
    trainer: Trainer,
    clips: Iterator[list[Clips]],
    folder: RunFolder,
    watch: TrainLog,
    stop: StopRequest,
    to_validate: list,
    device: torch.device,
) -> bool:
    """Train until the last step or until asked to stop; returns whether it was asked."""
    done, step = cfg.train.steps, watch.steps_done
    while step < done:
        asked = time.perf_counter()
        with distributed.together():  # a fault of one process's data ends all
            batches = next(clips)
        loaded = time.perf_counter()
        report = trainer.step(step, batches, stop.requested)
        step += 1
        watch.step(step, report, loaded - asked, time.perf_counter() - loaded)
        is_last = step == done or report.stop
        if step % cfg.train.save_every == 0 or is_last:
            with distributed.together():  # who left before it is written would be taken for dead
                folder.save(trainer, step, watch.state_dict(), may_fail=not is_last)
        if report.stop and step < done:
            return True
        if to_validate and (step % cfg.train.eval_every == 0 or step == done):
            since = torch.zeros(1)  # validations since the best one, on rank 0
            with distributed.together():
                if ranks.rank() == 0:
                    scores = validate(cfg, trainer, to_validate, device)
                    watch.validation(step, scores)
                    since += folder.keep_best(trainer, step, scores.get("j_and_f", 0.0))
            since = distributed.average(since).item() * ranks.world_size()
            if cfg.train.patience and since >= cfg.train.patience:
                log.info("no better score in %d validations: done", cfg.train.patience)
                return False
    return False


def processes(device: str, args: argparse.Namespace) -> int:
    """How many to start: as many as GPUs were asked for, or are there; accumulation does the rest.

    ``--device cpu`` starts them all, on the CPU.
    """
    there = torch.cuda.device_count() - args.gpu_id
    if ":" in device and args.gpu_num > 1:
        raise UserError(f"--device {device} is one GPU, --gpu_num {args.gpu_num}: leave one out")
    if args.gpu_num == 1 or device == "cpu" or there >= args.gpu_num:
        return args.gpu_num
    count = max(1, there)
    print(
        f"--gpu_num {args.gpu_num}, but there are {max(0, there)} GPUs: {count} processes do the "
        "same steps, each with more clips",
        file=sys.stderr,
    )
    return count


def load_start(model: TrainableSegmenter, cfg: Config) -> None:
    """Load what the first step starts from: a stage, a file, or an encoder's ImageNet weights."""
    train, missing = cfg.train, []
    if train.start_path or train.start != "encoder":
        path = Path(train.start_path) if train.start_path else find_start(cfg)
        missing = weights.load_start(model, path)
    elif cfg.model.encoder_weights:
        path = PRETRAINED / cfg.model.encoder_weights
        if not path.is_file():
            raise UserError(
                f"no ImageNet weights {path}; pretrain_models/README.md says where to get them "
                '(model.encoder_weights="" starts from random ones)'
            )
        weights.load_encoder(model, path)
    else:
        log.info("starting from random weights")
        return
    log.info("starting from %s", path)
    if missing:
        log.info("it has no %s, …: these %d start anew", missing[0], len(missing))


def clip_side(crop: int, model: TrainableSegmenter) -> int:
    """The side of a clip nearest to ``crop`` pixels that the network can take."""
    return InputRule(*model.size_rule).sizes((crop, crop))[0][0]


def address(dist_url: str | None) -> tuple[str, int]:
    """Host and port of ``tcp://HOST:PORT``; without it this machine and a free port (0)."""
    if not dist_url:
        return "127.0.0.1", 0
    host, separator, port = dist_url.removeprefix("tcp://").rpartition(":")
    if not separator or not host or not port.isdigit():
        raise UserError(f"--dist_url must look like tcp://127.0.0.1:13241, got {dist_url!r}")
    return host, int(port)


def _announce(cfg: Config, trainer: Trainer, sources: list, folder: RunFolder) -> None:
    """Say what is going to happen."""
    learning = sum(p.numel() for p in trainer.model.parameters() if p.requires_grad)
    log.info("%s, stage %s: %.1f M weights learn", cfg.model.title, cfg.stage, learning / 1e6)
    for source in sources:
        log.info("%s: %d videos, %d times", source.name, len(source.videos), source.repeats)
    share = cfg.train.batch_size // ranks.world_size()
    rounds = -(-share // cfg.train.clips_per_device)
    log.info(
        "%d clips a step: %d processes, %d clips each, in %d rounds",
        cfg.train.batch_size,
        ranks.world_size(),
        share,
        rounds,
    )
    if trainer.unreached:
        log.warning(
            "clips of %d frames with a memory gap of %d never reach %s…: it does not learn. "
            "Use a longer train.clip_length or a smaller model.train_memory_gap",
            cfg.train.clip_length,
            cfg.model.train_memory_gap,
            trainer.unreached[0],
        )
    log.info("everything goes to %s", folder.folder)
