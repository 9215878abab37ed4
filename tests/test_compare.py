"""The comparison with a slow side: our reference, and a stand-in for the authors' code."""

import sys
from pathlib import Path

import eval_tool
import pytest
import torch
from benchmark_tool import BENCHMARKS, NANO, load, reported, run

from mavos import configs
from mavos.networks import build_model
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import hard_labels, one_hot

SIZE = (49, 81)
OPTIONS = ["--models", *NANO[1:], "--frames", 3, "--warmup", 1, "--gap", 2, "--objects", 2]
OPTIONS += ["--size", *SIZE, "--threads", 1]

# The entry points of the authors' code that the adapter knows, in as few lines as possible. The
# utils lie in tools/, as theirs do; what would need a GPU fails here too.
STAND_IN = {
    "configs/pre_ytb_dav_long.py": """
import os
class EngineConfig:
    def __init__(self, exp_name, model):
        os.makedirs("result")  # theirs makes folders, in the current one
        self.MODEL_VOS, self.MODEL_ENGINE, self.MODEL_NAME = "vos", "engine", model
""",
    "tools/utils/image.py": """
def one_hot(labels, count):
    import torch
    return (labels == torch.arange(count + 1).view(1, -1, 1, 1)).float()
""",
    "networks/models/__init__.py": """
import torch
class Model(torch.nn.Module):
    def load_state_dict(self, state, strict=True):
        assert "encoder_projector.weight" in state and not strict
        print("weights are there")  # theirs prints too
        return [], []
def build_vos_model(name, cfg):
    assert name == "vos"
    return Model().cuda(0)
""",
    "networks/engines/__init__.py": """
import torch, torch.nn.functional as F
from utils.image import one_hot
class Engine(torch.nn.Module):
    def __init__(self, gap):
        super().__init__()
        self.gap = gap
    def add_reference_frame(self, image, mask, obj_nums, frame_step=-1):
        assert mask.dtype == torch.float32 and mask.shape[-2:] == image.shape[-2:]
        self.count, self.mask, self.input_size_2d = obj_nums[0], mask, image.shape[2:]
    def match_propogate_one_frame(self, image):
        assert image.shape[2:] == self.input_size_2d
    def decode_current_logits(self, size):
        if FAILS:
            raise RuntimeError("shape of the keys")
        return F.interpolate(one_hot(self.mask, 10), size=size)
    def update_memory(self, mask):
        assert mask.shape == self.mask.shape
        self.mask = mask
def build_engine(name, phase, aot_model, gpu_id, long_term_mem_gap, short_term_mem_skip):
    assert (name, phase, long_term_mem_gap, short_term_mem_skip) == ("engine", "eval", 2, 1)
    return Engine(long_term_mem_gap)
""",
}


def checkout(folder: Path, fails: bool = False) -> Path:
    for name, text in STAND_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text.replace("FAILS", str(fails)))
    return folder


@torch.inference_mode()
def test_the_reference_agrees_with_the_fast_form(monkeypatch):
    harness, reference = load(monkeypatch, "harness"), load(monkeypatch, "reference")
    torch.manual_seed(0)
    cfg = configs.load("mavos_nano", overrides=["model.test_memory_gap=2"]).model
    network = build_model(cfg)
    fast, slow = for_inference(network), reference.Reference(network)
    video = harness.synthetic_video(SIZE, SIZE, 2, torch.device("cpu"))
    memory = fast.start(fast.encode(video.image(0)), video.mask())
    slow_memory = slow.start(slow.encode(video.image(0)), video.mask())
    for frame in range(1, 6):
        out = fast.segment(fast.encode(video.image(frame)), memory, SIZE)
        slow_out = slow.segment(slow.encode(video.image(frame)), slow_memory, SIZE)
        assert slow_out.logits.shape[1] == 1 + cfg.max_objects
        assert (slow_out.logits[:, 3:] == reference.UNUSED).all()
        torch.testing.assert_close(out.logits, slow_out.logits[:, :3], rtol=0, atol=1e-4)
        same = hard_labels(out.logits) == slow_out.logits.argmax(dim=1)
        assert same.float().mean() > 0.999
        memory = fast.memorize(out, one_hot(video.labels, 2), memory)
        slow_memory = slow.memorize(slow_out, one_hot(video.labels, 2), slow_memory)


def test_against_the_reference(monkeypatch):
    compare = load(monkeypatch, "compare")
    (row,) = reported(run(compare, *OPTIONS, "--modes", "fp32", "--json"))["rows"]
    assert row["max_logit_difference"] < 1e-4 and row["equal_pixels"] > 0.999
    assert row["unequal_beyond_ties"] == 0
    for clock in ("cpu", "wall"):
        for average in ("mean", "median"):
            fast, slow = (row[f"{side}_{clock}_ms_{average}"] for side in ("fast", "slow"))
            assert row[f"{clock}_ratio_{average}"] == pytest.approx(slow / fast)
    assert min(row["fast_peak_rss_mb"], row["slow_peak_rss_mb"]) > 1


@pytest.mark.skipif(sys.platform != "linux", reason="others do not inherit peaks")
def test_the_peak_of_a_side_is_not_that_of_its_parent():
    held = b"x" * 2**30
    reported = "import torch, turns; print(turns._peaks(torch.device('cpu'))['peak_rss_mb'])"
    ended = eval_tool.wait(eval_tool.start("-c", reported, cwd=BENCHMARKS))
    assert 50 < float(ended.stdout) < len(held) / 2**20


def test_against_a_checkout(monkeypatch, tmp_path):
    compare, release = load(monkeypatch, "compare"), checkout(tmp_path / "MAVOS")
    result = reported(run(compare, *OPTIONS, "--release", release, "--modes", "fp32", "--json"))
    assert result["against"].endswith("MAVOS") and len(result["rows"]) == 1
    assert any("spatial_correlation_sampler" in note for note in result["notes"])
    assert sorted(path.name for path in release.iterdir()) == ["configs", "networks", "tools"]


def test_a_checkout_that_fails_is_reported_in_one_line(monkeypatch, tmp_path):
    compare, release = load(monkeypatch, "compare"), checkout(tmp_path / "MAVOS", fails=True)
    ended = run(compare, *OPTIONS, "--release", release, "--modes", "fp32")
    assert "the release failed: shape of the keys" in ended.error
    assert "spatial_correlation_sampler is not installed" in ended.error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--release", "nowhere"), "nowhere: no folders networks and configs"),
        (("--modes", "fp31"), "unknown mode 'fp31'; did you mean fp32"),
        (("--models", "mavoss"), "unknown model 'mavoss'"),
        (("--turn", "0"), "--turn must be at least 1"),
    ],
)
def test_mistakes(options, message, monkeypatch):
    ended = run(load(monkeypatch, "compare"), *options)
    assert message in ended.error and len(ended.stderr.splitlines()) == 1
