"""The published model: our outputs equal those recorded from the reference implementation.

Run with ``-s`` to see the worst difference of every case.
"""

import shutil
import zipfile

import cv2
import numpy as np
import parity
import pytest
import torch
from parity import LOGITS, Case, assert_close, check_memory, read_case, worst
from PIL import Image
from shared_data import FIXTURES, shared
from torch import Tensor

from mavos.dataloaders.inputs import InputRule
from mavos.evaluation.command import main
from mavos.networks.inference import for_inference
from mavos.networks.lstt.model import LongShortTermSegmenter
from mavos.networks.segmenter import hard_labels, one_hot
from mavos.networks.wrappers import ObjectGroups

# The network as it is trained, and what ``tools/eval.py`` makes of it.
FORMS = {"training": lambda model: model, "inference": for_inference}
# Cases with masks of every frame, and the memory policy where it is not the model's own.
OWN = ("mavos_mobilenetv2", "r50_mavos", "swinb_mavos", "aott", "aotl", "deaotl")
REPLACED = ("reference", "previous", "reference_previous")
GIVEN = [(name, None, form) for name in OWN for form in FORMS]
GIVEN += [("deaotl_memory_policies", policy, "inference") for policy in REPLACED]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """checkpoints(case): its weights as a file of the released code, made once per network."""
    folder, made = tmp_path_factory.mktemp("weights"), {}

    def get(case: Case):
        key = case.manifest["weights"]["sha256"]
        if key not in made:
            made[key] = parity.save_seeded_checkpoint(case.manifest, folder / f"{key}.pth")
        return made[key]

    return get


def build(case: Case, checkpoints, form: str = "training") -> LongShortTermSegmenter:
    gap, skip = case.video["long_term_gap"], case.video["short_term_skip"]
    overrides = [f"model.test_memory_gap={gap}", f"model.short_term_skip={skip}"]
    if case.policy:
        overrides.append(f"model.memory={case.policy}")
    return FORMS[form](parity.seeded_model(case.manifest, checkpoints(case), *overrides))


class Worst(dict):
    """Worst difference of each kind of output that was compared."""

    def note(self, kind: str, difference: float | None) -> None:
        if difference is not None:
            self[kind] = max(self.get(kind, 0.0), difference)

    def report(self, case: Case, form: str) -> None:
        print(f"\n{case.name}, {form}: " + ", ".join(f"{k} {v:.1e}" for k, v in self.items()))


@pytest.mark.parametrize("name, policy, form", GIVEN)
@torch.inference_mode()
def test_given_masks(name: str, policy: str | None, form: str, checkpoints):
    """Masks of every frame are given: logits, encoder maps, block outputs and memory agree."""
    case = read_case(FIXTURES / "parity" / name, policy)
    model, num_objects = build(case, checkpoints, form), case.video["obj_num"]
    expected, blocks, differences = case.expected, {}, Worst()
    for index, block in enumerate(model.elstt.blocks):
        block.register_forward_hook(lambda _, __, out, i=index: blocks.update({i: out[:2]}))

    memory = model.start(model.encode(case.image(0)), one_hot(case.labels(0), num_objects))
    differences.note("memory", check_memory(case, memory.long_term, "ref_memory"))
    for t in range(1, len(case.inputs["frames"])):
        feats = model.encode(case.image(t))
        out = model.segment(feats, memory, feats[0].shape[-2:])
        if f"logits_t{t}" in expected:
            wanted = expected[f"logits_t{t}"]
            assert (
                wanted[num_objects + 1 :] == -1e10
            ).all()  # unused identities; ours are left out
            assert_close(out.logits[0], wanted[: num_objects + 1], f"logits of frame {t}", **LOGITS)
            differences.note("logits", worst(out.logits[0], wanted[: num_objects + 1]))
        if t == 1 and form == "training" and case.video.get("intermediates"):
            differences.note("maps", check_intermediates(model, feats, blocks, expected))
        memory = model.memorize(out, one_hot(case.labels(t), num_objects), memory)
        tokens = memory.long_term[0].key.shape[1] // feats[-1][0, 0].numel()
        if "memory_frames" in expected:
            assert tokens == expected["memory_frames"][t]
        differences.note("memory", check_memory(case, memory.long_term, f"memory_after_t{t}"))
    differences.report(case, form)


def check_intermediates(
    model: LongShortTermSegmenter, feats: list[Tensor], blocks: dict, expected: dict
) -> float:
    last = model.elstt.norm(torch.cat(blocks[2], dim=-1).transpose(1, 2)).transpose(1, 2)
    ours = {
        "enc_4x_t1": feats[0][0, :, ::2, ::2],
        "enc_8x_t1": feats[1][0],
        "enc_16x_t1": feats[2][0],
        "projected_t1": feats[3][0, ::4],
        "lstt_l0_t1": torch.cat(blocks[0], dim=-1).transpose(0, 1)[..., ::8],
        "lstt_l1_t1": torch.cat(blocks[1], dim=-1).transpose(0, 1)[..., ::8],
        "lstt_l2_t1": last.transpose(0, 1)[..., ::8],
    }
    for key, value in ours.items():
        wanted = expected[key].reshape(value.shape)
        assert_close(value, wanted, key, **parity.INTERMEDIATES)
    return max(worst(v, expected[k].reshape(v.shape)) for k, v in ours.items())


@torch.inference_mode()
def test_id_embedding(checkpoints):
    case = read_case(FIXTURES / "parity" / "mavos_mobilenetv2")
    model = build(case, checkpoints)
    mask = one_hot(case.labels(0), case.video["obj_num"])
    grid = (11, 15)
    ours = model.id_bank(mask, grid)[0, :, ::4]
    assert_close(ours, case.expected["ref_id_embedding"][:, 0], "ID", **parity.INTERMEDIATES)


def run_free(
    case: Case, checkpoints, images: list[Tensor], feed_back: str, form: str = "inference"
) -> dict[str, float]:
    """Runs a video whose predictions are fed back; ``feed_back``: "stored" labels or our "own"."""
    model = ObjectGroups(build(case, checkpoints, form))
    expected, size = case.expected, tuple(case.video["output_size"])
    num_objects = case.video["obj_num"]
    new_objects = {int(t): row for t, row in case.video.get("new_objects", {}).items()}
    differences = Worst()

    memory = model.start(model.encode(images[0]), one_hot(case.labels(0), num_objects))
    for t in range(1, len(images)):
        feats = model.encode(images[t])
        out = model.segment(feats, memory, size)
        if feed_back == "stored":
            differences.note("logits", check_logits(case, model, out, memory, feats, t))
        labels = hard_labels(out.logits)
        if t in new_objects:
            given = case.labels(new_objects[t])
            labels = torch.where(given > 0, given, labels)
            num_objects = max(num_objects, int(given.max()))
        stored = torch.from_numpy(expected["labels"][t - 1].astype(np.int64))[None]
        differences.note("pixels", (labels != stored).float().mean().item())
        fed_back = stored if feed_back == "stored" else labels
        mask = one_hot(fed_back, num_objects)
        memory = model.memorize(out, mask, memory, new_objects=t in new_objects)
        if feed_back == "stored":
            long_term = memory[0].long_term
            differences.note("memory", check_memory(case, long_term, f"memory_after_t{t}"))
        assert len(memory) == expected["n_engines"][t]
    differences.report(case, form)
    return differences


def check_logits(case: Case, model: ObjectGroups, out, memory: list, feats, t: int) -> float | None:
    """Logits of each group at decoder size, and those merged, if frame t was recorded."""
    difference, groups = None, len(memory)
    for g, group_memory in enumerate(memory):
        key = f"logits_t{t}" if groups == 1 else f"logits_t{t}_e{g}"
        if key in case.expected:
            raw = model.model.segment(feats, group_memory, feats[0].shape[-2:]).logits[0]
            wanted = case.expected[key][: len(raw)]
            tolerance = {"atol": 6e-3, "rtol": 0} if wanted.dtype == np.float16 else LOGITS
            assert_close(raw, wanted, key, **tolerance)
            difference = max(difference or 0.0, worst(raw, wanted))
    wanted = case.expected.get(f"aggregated_t{t}")
    if wanted is not None:
        ours = out.logits[0, :, ::4, ::4]
        assert_close(ours, wanted[: len(ours)], f"merged {t}", atol=2e-2, rtol=0)
    return difference


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("feed_back, allowed", [("stored", 1e-4), ("own", 0.03)])
@pytest.mark.parametrize("name", ["mavos_multi_object", "mavos_new_object"])
@torch.inference_mode()
def test_free_run(name: str, feed_back: str, allowed: float, form: str, checkpoints):
    """13 objects in two groups; an object that enters in mid-video."""
    case = read_case(FIXTURES / "parity" / name)
    images = [case.image(t) for t in range(len(case.inputs["frames"]))]
    assert run_free(case, checkpoints, images, feed_back, form)["pixels"] <= allowed


@pytest.mark.parametrize("feed_back, allowed", [("stored", 1e-4), ("own", 0.03)])
@torch.inference_mode()
def test_full_size(feed_back: str, allowed: float, checkpoints):
    """Real 480p frames from file to label, resized by our own code."""
    folder = shared("parity", "mavos_mobilenetv2_fullsize")
    case = read_case(folder)
    frames = [cv2.imread(str(folder / file))[..., ::-1] for file in case.video["files"]]
    rule = InputRule(16, 1, max_long_edge=1040.0)
    (size,) = rule.sizes(frames[0].shape[:2])
    images = [rule.prepare(np.ascontiguousarray(frame), size)[None] for frame in frames]
    assert run_free(case, checkpoints, images, feed_back)["pixels"] <= allowed


def test_full_size_through_the_command_line(checkpoints, tmp_path, capsys):
    """The same video by ``tools/eval.py``, from PNG files to PNG files."""
    folder = shared("parity", "mavos_mobilenetv2_fullsize")
    case = read_case(folder)
    for name in case.video["files"]:
        shutil.copy(folder / name, tmp_path)
    mask = tmp_path / "mask" / "frame_0.png"
    mask.parent.mkdir()
    Image.fromarray(case.inputs["masks"][0]).save(mask)
    weights, gap = str(checkpoints(case)), str(case.video["long_term_gap"])
    options = ["--input", str(tmp_path), "--mask", str(mask), "--model", "mavos"]
    options += ["--ckpt_path", weights]
    assert main([*options, "--lt_gap", gap, "--output", str(tmp_path / "out")]) == 0
    with zipfile.ZipFile(capsys.readouterr().out.strip()) as archive:
        names = sorted(archive.namelist())
        labels = [np.asarray(Image.open(archive.open(name))) for name in names]
    assert names == [f"{tmp_path.name}/frame_{t}.png" for t in range(4)]
    assert np.array_equal(labels[0], case.inputs["masks"][0])
    different = np.mean(np.stack(labels[1:]) != case.expected["labels"])
    print(f"\nthrough files: {different:.1e} of the pixels differ")
    assert different <= 0.03
