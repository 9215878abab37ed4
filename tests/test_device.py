"""Precisions, threads and switches of devices, most of which are pretended."""

import os
from types import SimpleNamespace

import pytest
import torch

from mavos.utils import device as devices
from mavos.utils.errors import UserError

CPU, MPS, GPU = torch.device("cpu"), torch.device("mps"), torch.device("cuda", 0)


@pytest.fixture
def gpu(monkeypatch):
    """Pretends that there is a GPU of a compute capability."""

    def pretend(capability: tuple[int, int]) -> None:
        monkeypatch.setattr(torch.version, "hip", None)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Some GPU")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
        monkeypatch.setattr(devices, "_gpu_has_bfloat16", lambda device: capability >= (8, 0))

    return pretend


def test_a_cpu_has_fp32_and_bf16():
    assert devices.pick_dtype("fp32", CPU) == torch.float32
    assert devices.pick_dtype("bf16", CPU) == torch.bfloat16
    with pytest.raises(UserError, match=r"tf32 is not available on cpu: only NVIDIA.*fp32, bf16$"):
        devices.pick_dtype("tf32", CPU)
    with pytest.raises(UserError, match=r"fp16 is not available on cpu: a CPU has no.*fp32, bf16$"):
        devices.pick_dtype("fp16", CPU)


def test_a_new_gpu_has_all(gpu):
    gpu((8, 0))
    assert [devices.pick_dtype(n, GPU) for n in ("fp32", "tf32", "bf16", "fp16")] == [
        *(torch.float32, torch.float32),
        *(torch.bfloat16, torch.float16),
    ]
    assert devices.half_precision(GPU) == torch.bfloat16


@pytest.mark.parametrize("name", ["tf32", "bf16"])
def test_an_old_gpu_has_fp32_and_fp16(gpu, name):
    gpu((7, 5))
    assert devices.pick_dtype("fp16", GPU) == devices.half_precision(GPU) == torch.float16
    with pytest.raises(UserError, match=f"{name} is not available on Some GPU.*fp32, fp16$"):
        devices.pick_dtype(name, GPU)


def test_apple_has_bf16_from_macos_14_on(monkeypatch):
    for is_new in (True, False):
        monkeypatch.setattr(torch.backends.mps, "is_macos_or_newer", lambda *_, new=is_new: new)
        assert ("bf16" in devices.precisions(MPS)) == is_new
        assert devices.pick_dtype("fp16", MPS) == torch.float16
    with pytest.raises(UserError, match="choose from fp32, fp16"):
        devices.pick_dtype("bf16", MPS)


@pytest.mark.parametrize("has_units", [True, False])
def test_a_cpu_without_bf16_units_is_warned_about(monkeypatch, caplog, has_units):
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: has_units)
    devices.warn_of_emulation(torch.float32, CPU)
    assert not caplog.records
    devices.warn_of_emulation(torch.bfloat16, CPU)
    assert ["no bf16 units" in r.getMessage() for r in caplog.records] == [True] * (not has_units)


def test_without_pytorchs_checks_bf16_units_are_expected(monkeypatch):
    """They are private: a version may come without."""
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.delattr(torch.cpu, name, raising=False)
    for machine in ("x86_64", "aarch64"):
        monkeypatch.setattr(devices.platform, "machine", lambda name=machine: name)
        assert devices.has_half_precision_units(CPU)


def test_tf32_is_for_products_and_convolutions_alike():
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        for allowed in (True, False):
            devices.allow_tf32(allowed)
            assert torch.backends.cuda.matmul.allow_tf32 == allowed
            assert torch.backends.cudnn.allow_tf32 == allowed
            # both ways to ask work, and agree
            assert torch.get_float32_matmul_precision() == ("high" if allowed else "highest")
            if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
                assert (torch.backends.cuda.matmul.fp32_precision == "tf32") == allowed
                assert (torch.backends.cudnn.conv.fp32_precision == "tf32") == allowed
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def test_processes_of_one_machine_share_its_cores(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(32)), raising=False)
    assert devices.cores() == 32
    assert devices.background_threads(GPU) == 8 and devices.background_threads(CPU) == 2
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert devices.cores() == 8 and devices.background_threads(GPU) == 4
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "64")
    assert devices.cores() == 1 and devices.background_threads(GPU) == 2


def test_more_threads_than_cores_are_warned_about(monkeypatch, caplog):
    asked = []
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    monkeypatch.setattr(devices, "cores", lambda: 4)
    devices.use_threads(0)
    devices.use_threads(4)
    assert asked == [4] and not caplog.records
    devices.use_threads(5)
    assert asked == [4, 5] and "5 threads for 4 cores" in caplog.text
