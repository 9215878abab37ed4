"""One training step: the same however it is shared, every weight that should learn does."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from train_steps import TINY, in_float64, make_clips, make_trainer, record

from mavos import configs
from mavos.networks import build_model
from mavos.networks.unroll import ClipUnroll, LossConfig, StepSettings
from mavos.training.step import NotFiniteError, Trainer
from mavos.training.step import freeze as freeze_prefixes
from mavos.utils.launch import launch

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread():
    """Rounding depends on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def alone():
    """Gradients and weights of four steps of one process, on the whole batch at once."""
    return record(clips_per_device=4)


def same(ours: list[dict], theirs: list[dict]) -> None:
    """In float64, so nothing but the order of sums may differ."""
    assert len(ours) == len(theirs) == 4
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.keys() == other.keys()
        for name, value in mine.items():
            torch.testing.assert_close(value, other[name], rtol=1e-8, atol=1e-10, msg=name)


def test_accumulated_gradients_are_those_of_the_whole_batch(alone):
    same(record(clips_per_device=3), alone)
    same(record(clips_per_device=1), alone)


def test_two_processes_do_what_one_does(alone, tmp_path):
    """Also across the switch to own predictions, and with accumulation."""
    assert launch(2, "train_steps", [str(tmp_path / "{rank}.pt")]) == 0
    for rank in range(2):
        runs = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for run in runs:
            same(run, alone)


def test_activation_checkpointing_changes_nothing(alone):
    same(record(clips_per_device=4, checkpoint_activations=True), alone)


def test_the_id_bank_stops_when_own_predictions_come(alone):
    banks = [{k: v for k, v in step.items() if k.startswith("weight id_bank.")} for step in alone]
    assert all(banks) and any(not torch.equal(banks[0][k], banks[1][k]) for k in banks[0])
    assert all(torch.equal(banks[1][k], step[k]) for step in banks[2:] for k in banks[1])
    assert any(k.startswith("gradient id_bank.") for k in alone[1])
    assert not any(k.startswith("gradient id_bank.") for k in alone[2])


NETWORKS = [
    (name, "mca") for name in ("mavos_nano", "mavos", "r50_mavos", "swinb_mavos", "aott", "deaott")
]
NETWORKS += [
    ("mavos_nano", fusion) for fusion in ("cross_attention", "focal_modulation", "global_context")
]


@pytest.mark.parametrize("name, fusion", NETWORKS)
def test_every_weight_that_learns_gets_a_gradient(name, fusion):
    """DDP waits for the gradients of all of them."""
    settings = [*TINY, f"model.fusion={fusion}"]
    if name == "aott":  # has no fusion to set
        settings = [s for s in settings if not s.startswith(("model.mca", "model.fusion"))]
    cfg = configs.load(name, overrides=settings)
    cfg = replace(cfg, model=replace(cfg.model, frozen_bn=True, encoder_weights=""))
    torch.manual_seed(0)
    trainer = Trainer(build_model(cfg.model), cfg, CPU)
    clips = make_clips(1, side=32 + trainer.model.size_rule.remainder)
    assert trainer.unreached == ()
    for step in (0, 3):
        trainer.step(step, clips)
        without = [
            name
            for name, parameter in trainer.model.named_parameters()
            if parameter.requires_grad and parameter.grad is None
        ]
        assert without == []
    learning = [n for n, p in trainer.model.named_parameters() if p.requires_grad]
    assert any(".mca." in n for n in learning) == (cfg.model.memory == "mca")
    assert not any(n.startswith("id_bank") for n in learning)  # any more


def test_weights_that_short_clips_do_not_reach_are_frozen():
    trainer = make_trainer("train.clip_length=3", dtype=torch.float32)
    assert trainer.unreached == ("elstt.blocks.0.mca.", "elstt.blocks.1.mca.")
    before = {n: p.clone() for n, p in trainer.model.named_parameters() if ".mca." in n}
    assert before
    trainer.step(0, make_clips(1, length=3))
    for name, parameter in trainer.model.named_parameters():
        if ".mca." in name:
            assert not parameter.requires_grad and torch.equal(parameter, before[name])
        else:
            assert not parameter.requires_grad or parameter.grad is not None


@pytest.mark.parametrize("gap", [1, 2, 3])
@pytest.mark.parametrize("second", ["false", "true"])
def test_unreached_weights_are_known_beforehand(gap, second):
    """For every length of clips around the first that fuses."""
    settings = [f"model.train_memory_gap={gap}", f"train.second_reference={second}"]
    for length in range(3, 2 * gap + 4):
        trainer = make_trainer(
            f"train.clip_length={length}", "model.depth=1", *settings, dtype=torch.float32
        )
        trainer.model.requires_grad_(True)
        trainer.step(0, make_clips(1, length=length))
        without = {n for n, p in trainer.model.named_parameters() if p.grad is None}
        assert bool(trainer.unreached) == bool(without), length
        assert all(n.startswith(trainer.unreached) for n in without)


def test_activation_checkpointing_counts_batch_statistics_once():
    plain, saving = (
        make_trainer(
            "model.frozen_bn=false", f"train.checkpoint_activations={on}", dtype=torch.float32
        )
        for on in ("false", "true")
    )
    for trainer in (plain, saving):
        trainer.step(0, make_clips(2))
    theirs = dict(plain.model.named_buffers())
    for name, ours in saving.model.named_buffers():
        torch.testing.assert_close(ours, theirs[name], msg=name)


def test_random_weights_are_never_frozen():
    """The stages freeze the leading parts of a pretrained encoder."""
    anew = make_trainer("train.encoder_freeze_at=2", "train.start=encoder").model.encoder
    assert all(p.requires_grad for p in anew.parameters())
    pretrained = make_trainer("train.encoder_freeze_at=2", "train.start=pre").model.encoder
    assert not any(p.requires_grad for p in pretrained.stem.parameters())
    assert all(p.requires_grad for p in pretrained.layer2.parameters())


def test_a_loss_scale_leaves_out_steps_that_overflow():
    """What float16 needs on a GPU; the scaler is the same on a CPU."""
    trainer = make_trainer(dtype=torch.float32)
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    weights = {n: p.clone() for n, p in trainer.model.named_parameters()}
    overflow = trainer.model.decoder.conv_out.weight.register_hook(lambda g: g * torch.inf)
    report = trainer.step(0, make_clips(1))
    assert not math.isfinite(report.grad_norm) and trainer.scaler.get_scale() == 2.0
    assert trainer.average.updates == 0
    assert all(torch.equal(p, weights[n]) for n, p in trainer.model.named_parameters())
    trainer.scaler.load_state_dict(trainer.scaler.state_dict() | {"scale": 1e-3})
    with pytest.raises(NotFiniteError, match="the norm of the gradients"):
        trainer.step(1, make_clips(1))
    overflow.remove()
    trainer.scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    assert math.isfinite(trainer.step(1, make_clips(1)).grad_norm)
    assert trainer.average.updates == 1


def test_bfloat16_learns_an_easy_clip():
    easy = ("train.amp=true", "train.lr=5e-3", "train.steps=30", "model.depth=1")
    trainer = make_trainer(*easy, dtype=torch.float32)
    clips = make_clips(1)
    losses = [trainer.step(step, clips).loss for step in range(12)]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < 0.8 * losses[0]
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())


def test_compile_is_asked_for_every_part(monkeypatch):
    """Compiling itself takes minutes."""
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda part: compiled.append(part))
    trainer = make_trainer("train.compile=true")
    assert compiled == list(trainer.model.children())


def test_identities_renamed_in_labels_and_slots_give_the_same_loss():
    """What a slot learns does not depend on the number that an object has in the files."""
    trainer = make_trainer()
    clips = in_float64(*make_clips(1), range(1))
    count = int(clips.num_objects[0])
    assert count == 2
    renamed = torch.tensor([0, 2, 1, 3])
    labels = renamed[clips.labels.long()].to(torch.uint8)
    permutations = clips.permutations[:, renamed]
    unroll = ClipUnroll(trainer.model, LossConfig())
    results = [
        unroll(clips.images, ids, clips.num_objects, p, StepSettings(0.5, 1.0, forced))
        for forced in (True, False)
        for ids, p in ((clips.labels, clips.permutations), (labels, permutations))
    ]
    for ours, theirs in (results[:2], results[2:]):
        torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-10, atol=0)
        assert torch.equal(renamed[ours.labels.long()], theirs.labels.long())
    shuffled = torch.tensor([[0, 3, 1, 2]])
    other = unroll(clips.images, clips.labels, clips.num_objects, shuffled, StepSettings(0.5, 1.0))
    assert abs(other.loss - results[0].loss) > 1e-6  # slots do matter


def test_freezing_goes_by_the_beginning_of_names():
    model = nn.ModuleDict({"a": nn.Linear(1, 1), "ab": nn.Linear(1, 1)})
    freeze_prefixes(model, ("a.",))
    assert [n for n, p in model.named_parameters() if p.requires_grad] == ["ab.weight", "ab.bias"]
