"""Training against the recorded reference: losses, gradients, schedules, averages, groups."""

from dataclasses import replace

import numpy as np
import parity
import parity_weights
import pytest
import torch
from shared_data import FIXTURES

from mavos import configs
from mavos.networks import build_model
from mavos.networks.losses import (
    aux_weight,
    bootstrapped_cross_entropy,
    hard_pixel_share,
    soft_jaccard,
)
from mavos.networks.unroll import ClipUnroll, LossConfig, StepSettings
from mavos.networks.weights import load_weights
from mavos.training.optim import (
    ENCODER,
    WeightAverage,
    build_optimizer,
    encoder_rate,
    learning_rate,
)
from mavos.utils.palette import IGNORE, IMAGE_MEAN, IMAGE_STD

STEP, LOSSES, SCHEDULES = (
    FIXTURES / "parity" / name for name in ("mavos_train_step", "losses", "schedules")
)
MANIFEST = parity_weights.load_manifest(STEP)
VARIANTS = MANIFEST["train"]["variants"]
FIRST_VALUES = 512  # of each recorded gradient


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    """The fixture's network, with every dropout and drop path off, and its recorded inputs."""
    path = parity.save_seeded_checkpoint(MANIFEST, tmp_path_factory.mktemp("w") / "seeded.pth")
    cfg = replace(configs.load("mavos").model, drop_path=0.0, mca_drop_path=0.0)
    model = build_model(cfg).train()
    load_weights(model, path)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
            module.p = 0.0
    model.encoder.freeze(2)
    return model, dict(np.load(STEP / "inputs.npz"))


def unroll(model, inputs: dict, variant: dict, dtype: torch.dtype):
    """One recorded training step: what came out, and the norm of every parameter's gradient."""
    train = MANIFEST["train"]
    model = model.to(dtype)
    model.zero_grad(set_to_none=True)
    teacher_forcing = not variant["use_prev_pred"]
    model.id_bank.requires_grad_(teacher_forcing)
    # in this order of roundings the records were made: one more or less shows at 1e-7
    frames = inputs["frames"].astype(np.float32) / np.float32(255)
    frames -= IMAGE_MEAN
    frames /= IMAGE_STD
    frames = torch.from_numpy(frames).permute(1, 0, 4, 2, 3)
    masks = inputs["masks_ignore" if variant.get("ignore_border") else "masks"]
    permutations = torch.arange(11).repeat(2, 1)
    if variant["id_shuffle"]:
        permutations = torch.from_numpy(inputs["id_permutation"]).argmax(dim=2)
    settings = StepSettings(
        hard_pixels=hard_pixel_share(
            variant["step"], train["hard_mining_ratio"] * train["total_steps"], train["top_k"]
        ),
        aux_weight=aux_weight(variant["step"], train["total_steps"], train["loss_weights"]["aux"]),
        teacher_forcing=teacher_forcing,
    )
    cfg = LossConfig(
        feed_back="probabilities" if variant["use_prev_prob"] else "labels",
        second_reference=variant.get("enable_prev_frame", False),
    )
    result = ClipUnroll(model, cfg)(
        frames.to(dtype),
        torch.from_numpy(masks).transpose(0, 1),
        torch.tensor(train["obj_nums"]),
        permutations,
        settings,
    )
    result.loss.backward()
    return result


def gradients(model) -> dict[str, torch.Tensor | None]:
    return {model.key_names.to_disk(name): p.grad for name, p in model.named_parameters()}


def recorded(name: str, precision: str) -> dict[str, np.ndarray]:
    file = np.load(STEP / ("io.npz" if precision == "float32" else "io_f64.npz"))
    return {key.partition("/")[2]: file[key] for key in file.files if key.startswith(f"{name}/")}


def strict(variant: dict):
    """In float64. That takes 25 s, so only one is always done: own predictions in memory."""
    always = ("step60000_prev_prob",)
    marks = () if variant["name"] in always else pytest.mark.strict
    return pytest.param(variant, "float64", marks=marks)


@pytest.mark.parametrize(
    ("variant", "precision"),
    [(v, "float32") for v in VARIANTS] + [strict(v) for v in VARIANTS],
    ids=lambda v: v["name"] if isinstance(v, dict) else v,
)
def test_training_step(seeded, variant, precision):
    """float64 is the strict check; in float32 kinks make gradients jump."""
    model, inputs = seeded
    result = unroll(model, inputs, variant, getattr(torch, precision))
    expected = recorded(variant["name"], precision)
    rtol = 1e-4 if precision == "float32" else 1e-7
    np.testing.assert_allclose(result.loss.item(), expected["loss"], rtol=rtol)
    # while the weight of annotated frames is 0 we do not compute their losses
    frame_losses = torch.cat([result.aux_losses, result.frame_losses])
    rows = expected["frame_losses"][-len(frame_losses) :]
    np.testing.assert_allclose(frame_losses, rows, rtol=rtol)

    found = gradients(model)
    ours = np.array(
        [
            np.nan if found[name] is None else found[name].norm().item()
            for name in MANIFEST["train"]["parameters"]
        ]
    )
    theirs = expected["grad_norms"]
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), "which are reached")
    reached = ~np.isnan(theirs)
    off = np.abs(ours[reached] / theirs[reached] - 1)
    print(
        f"{variant['name']} {precision}: loss {result.loss.item():.6f}, gradient norms off by "
        f"{off.max():.1e}, median {np.median(off):.1e}"
    )
    if precision == "float32":
        assert off.max() < 0.05 and np.median(off) < 2e-3
        return
    assert off.max() < 1e-7
    for key, values in expected.items():
        if key.startswith("grad/"):
            grad = found[key.removeprefix("grad/")]
            if grad is None:
                assert np.isnan(values).all() or not values.any()
                continue
            flat = grad.flatten()[:FIRST_VALUES]
            np.testing.assert_allclose(flat, values, rtol=1e-6, atol=1e-9, err_msg=key)


@pytest.mark.parametrize("kind", ["plain", "ignore"])
@pytest.mark.parametrize("sample", [0, 1])
def test_losses(kind, sample):
    inputs, expected = (np.load(LOSSES / f"{name}.npz") for name in ("inputs", "io"))
    logits = torch.from_numpy(inputs[f"logits_{sample}"]).requires_grad_()
    labels = torch.from_numpy(inputs[f"label_{sample}"].astype(np.int64))
    if kind == "plain":
        labels = labels.masked_fill(labels == IGNORE, 0)
    jaccard = soft_jaccard(logits, labels)
    np.testing.assert_allclose(jaccard.item(), expected[f"{kind}_jaccard"][sample], rtol=1e-6)
    steps = parity_weights.load_manifest(LOSSES)["steps"]
    for ramp in (0, 50000):
        ours = [
            bootstrapped_cross_entropy(logits, labels, hard_pixel_share(s, ramp, 0.15)).item()
            for s in steps
        ]
        theirs = expected[f"{kind}_ce_topk_hm{ramp}"][:, sample]
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    # gradients were recorded at step 30,000, of the mean over the two samples
    hard = bootstrapped_cross_entropy(logits, labels, hard_pixel_share(30000, 50000, 0.15))
    ((hard + jaccard) / 4).sum().backward()
    np.testing.assert_allclose(logits.grad, expected[f"{kind}_grad_{sample}"], atol=1e-9)


def test_loss_of_a_clip_without_valid_pixels():
    """The reference stops with an error there."""
    logits = torch.randn(1, 3, 5, 5, requires_grad=True)
    labels = torch.full((1, 5, 5), IGNORE)
    loss = soft_jaccard(logits, labels) + bootstrapped_cross_entropy(logits, labels, 0.5)
    loss.sum().backward()
    assert loss.item() == 0 and not logits.grad.any()


@pytest.mark.parametrize(
    "case", parity_weights.load_manifest(SCHEDULES)["lr_cases"], ids=lambda c: c["name"]
)
def test_learning_rates(case):
    expected = np.load(SCHEDULES / "io.npz")[f"lr_{case['name']}"]
    names = [name.removeprefix("AOT.") for name in case["groups"]]
    for step, row in zip(case["steps"], expected, strict=True):
        lr = learning_rate(
            step,
            case["max_itr"],
            lr=case["base_lr"],
            lr_min=case["min_lr"],
            power=case["power"],
            warm_up=case["warm_up_ratio"],
            cosine=case["cosine"],
            restarts=case["restart"],
        )
        low = encoder_rate(lr, case["min_lr"], case["encoder_ratio"])
        rates = [low if name.startswith(ENCODER) else lr for name in names]
        if step >= case["freeze_from"]:  # ours get no gradient then: test_train_loop.py
            frozen = [any(f in name for f in case["freeze"]) for name in names]
            rates = [0 if f else r for f, r in zip(frozen, rates, strict=True)]
        np.testing.assert_allclose([lr, *rates], row[: 1 + len(names)], rtol=1e-12)


@pytest.mark.parametrize("name", ["mavos", "r50_mavos", "swinb_mavos"])
def test_parameter_groups(name):
    """What learns, and its weight decay, for every parameter."""
    expected = parity_weights.load_manifest(SCHEDULES)["parameter_groups"][name]
    model = build_model(configs.load(name).model)
    model.encoder.freeze(configs.load(name).train.encoder_freeze_at)
    optimizer = build_optimizer(model, expected["base_weight_decay"])
    decays = {p: g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    to_disk = model.key_names.to_disk
    ours = {to_disk(n): decays[p] for n, p in model.named_parameters() if p in decays}
    assert ours == dict(expected["groups"])
    assert len(list(model.parameters())) == expected["n_parameters"]
    assert len(ours) == expected["n_trainable"]
    averaged = {n for n, p in model.named_parameters()} & WeightAverage(model, 10).shadow.keys()
    assert len(averaged) == expected["n_ema"]


@pytest.mark.parametrize("name", parity_weights.load_manifest(SCHEDULES)["ema"]["decays"])
def test_weight_average(name):
    recorded_ema = parity_weights.load_manifest(SCHEDULES)["ema"]
    model = torch.nn.Linear(1, 1, bias=False).double()
    torch.nn.init.zeros_(model.weight)
    average = WeightAverage(model, 1 / (1 - recorded_ema["decays"][name]))
    trace = []
    for i in range(1, recorded_ema["updates"] + 1):
        torch.nn.init.constant_(model.weight, i % 7 + 1)
        average.update()
        trace.append(average.shadow["weight"].item())
    np.testing.assert_allclose(trace, np.load(SCHEDULES / "io.npz")[f"ema_{name}"], rtol=1e-12)
