"""Every back end of local attention computes what the dense matrix does; which one is chosen."""

import importlib.util
import logging
import os
import re
import subprocess
import sys
import time
from functools import partial
from importlib.metadata import version
from types import ModuleType, SimpleNamespace
from typing import get_args, get_type_hints

import pytest
import torch
import torch.nn.functional as F
from test_attention import dense_local_attention, make

from mavos.configs.schema import LongShortTermConfig
from mavos.networks.attention import backends, local_attention, sampler, triton_window
from mavos.networks.attention.backends import BACKENDS, Backend
from mavos.utils.errors import UserError

# Triton decides at its first import whether it interprets kernels, in NumPy, or compiles them
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
NAMES = [name for name in BACKENDS if name != "triton" or INTERPRETED or DEVICE == "cuda"]
CAN_INTERPRET = importlib.util.find_spec("triton") is not None and tuple(
    map(int, version("triton").split(".")[:2])
) >= (3, 4)
CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


def correlate(
    input1,
    input2,
    kernel_size=1,
    patch_size=1,
    stride=1,
    padding=0,
    dilation=1,
    dilation_patch=1,
):
    """``spatial_correlation_sample`` as it is documented, for single pixels."""
    assert (kernel_size, stride, padding, dilation, dilation_patch) == (1, 1, 0, 1, 1)
    assert input1.is_contiguous() and input2.is_contiguous()
    height, width = input1.shape[2:]
    patches = F.unfold(input2, patch_size, padding=patch_size // 2)
    patches = patches.unflatten(1, (input2.shape[1], -1)).unflatten(3, (height, width))
    return (input1[:, :, None] * patches).sum(dim=1).unflatten(1, (patch_size, patch_size))


@pytest.fixture(autouse=True)
def forget_imports(monkeypatch):
    """The sampler's package, or a stand-in; nothing is remembered from test to test."""
    if importlib.util.find_spec("spatial_correlation_sampler") is None:
        package = ModuleType("spatial_correlation_sampler")
        package.spatial_correlation_sample = correlate
        monkeypatch.setitem(sys.modules, package.__name__, package)
    for module in (sampler, triton_window):
        module._import_error.cache_clear()
    for cache, empty in (("_fastest", {}), ("_refused", set()), ("_told", set())):
        monkeypatch.setattr(backends, cache, empty)
    yield
    for module in (sampler, triton_window):
        module._import_error.cache_clear()


def check(name, inputs, size, window, **tolerance):
    """The back end equals the dense matrix in double precision."""
    ours = BACKENDS[name].attend(*(x.to(DEVICE) for x in inputs), size, window)
    dense = dense_local_attention(*(x.double() for x in inputs), size, window)
    assert ours.dtype == inputs[2].dtype
    torch.testing.assert_close(ours.cpu().double(), dense, **tolerance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 7), (13, 3), (9, 18)])
@pytest.mark.parametrize("window", [1, 3, 7])
@pytest.mark.parametrize("keys, values", [(3, 5), (40, 200)])
def test_back_ends_equal_dense(name, size, window, keys, values):
    inputs = make(size, window, keys=keys, values=values)
    check(name, inputs, size, window, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_back_ends_in_half_precision(name, dtype):
    if (name, dtype, DEVICE) == ("triton", torch.bfloat16, "cpu"):
        pytest.skip("Triton's interpreter cannot multiply bfloat16")
    inputs = make((5, 7), 3, keys=20, values=24, dtype=dtype)
    inputs[0] /= 8
    check(name, inputs, (5, 7), 3, atol=0.04, rtol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("of_maps", [False, True])
def test_back_ends_take_slices(name, of_maps):
    """Tokens that lie beside others, as memory keeps them, or channel by channel, as maps do."""
    inputs = [F.pad(x, (2, 3))[:, :, 2:-3] for x in make((5, 7), 3)]
    if of_maps:
        inputs = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in inputs]
    assert not any(x.is_contiguous() for x in inputs)
    check(name, inputs, (5, 7), 3, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_back_ends_have_gradients(name, monkeypatch):
    """Whichever went forward, also where it keeps nothing for the way back."""
    usable = BACKENDS[name]._replace(missing=lambda device, dtype: None)  # in the interpreter too
    monkeypatch.setitem(BACKENDS, name, usable)
    inputs = make((3, 4), 3, requires_grad=True)

    def gradients(attend, device):
        out = attend(*(x.to(device) for x in inputs), (3, 4), 3)
        return torch.autograd.grad(out.square().sum(), inputs)

    ours = gradients(partial(local_attention, backend=name), DEVICE)
    for a, b in zip(ours, gradients(dense_local_attention, "cpu"), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
    if name != "triton":  # which knows no double precision
        inputs = make((3, 4), 3, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda *x: local_attention(*x, (3, 4), 3, name), inputs)


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
@pytest.mark.skipif(not CAN_INTERPRET, reason="needs Triton 3.4, whose interpreter knows NumPy 2.4")
def test_the_kernel_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [*command, "-k", "triton and (dense or half or slices or gradients)"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout).group(1)) > 30


def test_choices_in_the_schema_are_the_back_ends():
    choices = get_args(get_type_hints(LongShortTermConfig)["local_attention"])
    assert choices == ("auto", *BACKENDS)


def test_a_back_end_that_cannot_be_used_says_why_and_what_can(monkeypatch):
    monkeypatch.setitem(sys.modules, "spatial_correlation_sampler", None)
    inputs = make((2, 3), 3)
    with pytest.raises(UserError, match=r"CUDA device; choose from auto, tiles$"):
        backends.choose("triton", inputs, (2, 3), 3)
    with pytest.raises(UserError, match=r"cannot be used on cpu.*docs/options.md, section Speed"):
        backends.named("sampler", CPU, torch.float32)
    with pytest.raises(UserError, match="did you mean triton"):
        backends.choose("tritan", inputs, (2, 3), 3)
    assert backends.choose("tiles", inputs, (2, 3), 3) is BACKENDS["tiles"].attend


def test_what_is_missing_on_cuda(monkeypatch):
    monkeypatch.setattr(sampler, "on_default_stream", lambda device: False)
    assert "default stream" in sampler.missing(CUDA, torch.float32)
    monkeypatch.setattr(sampler, "on_default_stream", lambda device: True)
    assert sampler.missing(CUDA, torch.float32) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert "capability 8.0" in triton_window.missing(CUDA, torch.float16)
    assert "bfloat16 only" in triton_window.missing(CUDA, torch.float64)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "pip install triton" in triton_window.missing(CUDA, torch.float16)


class Fake:
    """A back end that counts its calls."""

    def __init__(self, result=None, seconds=0.0, error=None):
        self.result, self.seconds, self.error, self.calls = result, seconds, error, 0

    def __call__(self, query, key, value, bias, size, window):
        self.calls += 1
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return dense_local_attention(query, key, value, bias, size, window) + (self.result or 0)


def install(monkeypatch, missing=None, **fakes):
    table = {name: Backend(fake, lambda *_, n=name: missing == n) for name, fake in fakes.items()}
    monkeypatch.setattr(backends, "BACKENDS", table)


def test_auto_is_plain_on_a_cpu():
    assert backends.choose("auto", make((2, 3), 3), (2, 3), 3) is BACKENDS["tiles"].attend


def test_the_fastest_that_agrees_is_taken_and_the_others_are_told(monkeypatch, caplog):
    fakes = {
        "tiles": Fake(seconds=0.02),
        "broken": Fake(error=RuntimeError("no such kernel\nat line 1")),
        "unbuilt": Fake(error=ImportError("undefined symbol")),
        "wrong": Fake(result=0.1),
        "nan": Fake(result=float("nan")),
        "absent": Fake(),
        "slow": Fake(seconds=0.01),
        "fast": Fake(),
    }
    install(monkeypatch, missing="absent", **fakes)
    caplog.set_level(logging.INFO)
    for _ in range(2):
        assert backends.fastest(make((4, 5), 3), (4, 5), 3) == "fast"
    assert [fakes[name].calls for name in ("broken", "unbuilt", "wrong", "nan", "absent")] == [
        *(1, 1, 1, 1, 0)
    ]
    *warnings, choice = [record.getMessage() for record in caplog.records]
    assert [text.partition(" without ")[2].split(":")[0] for text in warnings] == [
        *("broken", "unbuilt", "wrong", "nan")
    ]
    assert "no such kernel" in warnings[0] and "off by" in warnings[2] and "nan" in warnings[3]
    assert "torch.float32: fast (tiles " in choice and "broken" not in choice


def test_plain_stays_where_it_is_the_fastest(monkeypatch):
    install(monkeypatch, tiles=Fake(), slow=Fake(seconds=0.01))
    assert backends.fastest(make((4, 5), 3), (4, 5), 3) == "tiles"


def test_on_cuda_the_choice_is_made_once_for_a_kind_and_never_during_a_capture(monkeypatch):
    state = SimpleNamespace(capturing=True, default=False, tried=0)

    def fastest(inputs, size, window):
        state.tried += 1
        return "triton"

    monkeypatch.setattr(backends, "fastest", fastest)
    monkeypatch.setattr(sampler, "on_default_stream", lambda device: state.default)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: state.capturing)
    tensor = SimpleNamespace(device=CUDA, dtype=torch.float16, shape=(1, 6, 4))

    def choose(size=(2, 3)):
        attend = backends.choose("auto", [tensor] * 4, size, 3)
        return next(name for name in BACKENDS if BACKENDS[name].attend is attend), state.tried

    assert choose() == ("tiles", 0)
    state.capturing = False
    assert choose() == choose() == ("triton", 1)
    state.capturing = True
    assert choose() == ("triton", 1)
    assert choose(size=(3, 2)) == ("tiles", 1)
    state.capturing, state.default = False, True
    assert choose() == ("triton", 2)
