"""The runner's book-keeping, with a capture that pretends: its buffers are written over like a
GPU's, and it fails when told to."""

import shutil
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mavos import configs
from mavos.networks import build_model
from mavos.networks.graphs import (
    MOST_FAILURES,
    Compiled,
    CudaGraphs,
    Repeated,
    Runner,
    build_runner,
    copies,
    tensors,
)
from mavos.networks.inference import for_inference
from mavos.networks.segmenter import call, hard_labels, one_hot


class Pretended:
    """Repeats a function on buffers of its own, in place, as a CUDA graph does."""

    def __init__(self, fails: tuple[str, ...] = (), error: Exception | None = None):
        self.fails, self.error = fails, error or RuntimeError("cannot\nbe captured")
        self.built: list[str] = []
        self.repeats = 0

    def build(self, function: Callable, args: tuple) -> Callable:
        name = getattr(function, "__name__", "partial")
        self.built.append(name)
        if name in self.fails:
            raise self.error
        held = copies(args)
        result = function(*held)

        def repeat() -> None:
            self.repeats += 1
            for buffer, new in zip(tensors(result), tensors(function(*held)), strict=True):
                buffer.copy_(new)

        return Repeated(repeat, held, result)


class Pair(NamedTuple):
    first: Tensor
    second: Tensor | None


def double(x: Tensor) -> Tensor:
    return 2 * x


def triple(x: Tensor) -> Tensor:
    return 3 * x


def negate(x: Tensor) -> Tensor:
    return -x


def scaled(x: Tensor, factor: float) -> Tensor:
    return factor * x


def nested(pairs: tuple[Pair, ...], size: tuple[int, int], others: list[Tensor]) -> tuple:
    total = sum(pair.first.sum() for pair in pairs) * size[0] + sum(o.sum() for o in others)
    return Pair(total, None), [pairs[0].first, size[1]], (others[0][:, :1],)


def test_a_call_is_captured_when_it_is_met_again():
    capture = Pretended()
    run = Runner(capture)
    results = [run(double, torch.tensor([float(i)])) for i in range(4)]
    assert capture.built == ["double"] and capture.repeats == 3
    # results that were handed out stay as they are, whatever is repeated later
    assert [r.item() for r in results] == [0, 2, 4, 6]


def test_arguments_may_be_nested_and_results_too():
    capture = Pretended()
    run = Runner(capture)
    for i in range(1, 4):
        pairs = Pair(torch.full((2, 3), float(i)), None), Pair(torch.ones(1), torch.ones(2))
        args = pairs, (10 * i, 7), [torch.arange(6.0).view(2, 3) * i]
        for _ in range(3):
            result, (first, seven), (slice_,) = run(nested, *args)
            expected = nested(*args)
            assert isinstance(result, Pair) and result.second is None and seven == args[1][1]
            assert torch.equal(result.first, expected[0].first)
            assert torch.equal(first, pairs[0].first)
            assert torch.equal(slice_, expected[2][0])
    assert capture.built == ["nested"] * 3  # one for each size, which is no tensor


def test_copies_without_pytorchs_private_function(monkeypatch):
    monkeypatch.delattr(torch, "_foreach_copy_")
    value = Pair(torch.arange(6.0).view(2, 3).t(), None), [torch.ones(1)], 7
    pair, (one,), seven = copies(value)
    assert torch.equal(pair.first, value[0].first) and pair.first.stride() == (1, 3)
    assert pair.first.data_ptr() != value[0].first.data_ptr()
    assert pair.second is None and torch.equal(one, torch.ones(1)) and seven == 7


@pytest.mark.parametrize(
    "other",
    [
        lambda x: (double, x[:1]),
        lambda x: (double, x.double()),
        lambda x: (double, x.t().contiguous().t()),
        lambda x: (triple, x),
        lambda x: (scaled, x, 2.0),
        lambda x: (scaled, x, 2),
    ],
    ids=["shape", "dtype", "strides", "function", "argument", "type of argument"],
)
def test_what_makes_a_call_another_one(other):
    capture = Pretended()
    run = Runner(capture)
    x = torch.arange(6.0).view(2, 3)
    for _ in range(2):
        run(double, x)
        run(scaled, x, 3.0)
    function, *args = other(x)
    assert torch.equal(run(function, *args), function(*args))
    assert len(capture.built) == 2
    assert torch.equal(run(function, *args), function(*args))
    assert len(capture.built) == 3


def test_partials_made_anew_are_one_function():
    capture = Pretended()
    run = Runner(capture)
    for factor in (2.0, 2.0, 2.0, 5.0):
        assert run(partial(scaled, factor=factor), torch.ones(1)).item() == factor
    assert capture.built == ["partial"]
    with pytest.raises(TypeError, match="fixed arguments"):
        run(partial(scaled, torch.ones(1)), 2.0)


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(TypeError, match="cannot take a dict"):
        Runner(Pretended())(double, {"x": torch.ones(1)})


def test_the_calls_used_last_are_kept():
    capture = Pretended()
    run = Runner(capture, most_calls=2)
    a, b, c = (torch.ones(n) for n in (1, 2, 3))
    for x in (a, a, b, b, a, c, c):  # b is used least
        run(double, x)
    assert len(capture.built) == 3
    run(double, a), run(double, c)
    assert len(capture.built) == 3
    run(double, b), run(double, b)
    assert len(capture.built) == 4


def test_what_cannot_be_captured_runs_as_it_is_and_is_told_once(caplog):
    capture = Pretended(fails=("double",))
    run = Runner(capture)
    x = torch.ones(2)
    for _ in range(4):
        assert torch.equal(run(double, x), 2 * x)
        assert torch.equal(run(triple, x), 3 * x)
    assert capture.built == ["double", "triple"] and capture.repeats == 3
    assert [r.getMessage() for r in caplog.records] == ["double runs without a graph: cannot"]


@pytest.mark.parametrize("error", [RuntimeError(""), ImportError("x"), FileNotFoundError("g++")])
def test_after_some_failures_nothing_more_is_tried(caplog, error):
    capture = Pretended(fails=("double",), error=error)
    run = Runner(capture)
    for _ in range(3):
        run(triple, torch.ones(1))
    for length in range(1, MOST_FAILURES + 4):
        for _ in range(3):
            assert torch.equal(run(double, torch.ones(length)), torch.full((length,), 2.0))
    assert capture.built == ["triple"] + ["double"] * MOST_FAILURES
    repeats = capture.repeats
    assert run(triple, torch.ones(1)).item() == 3 and capture.repeats == repeats
    *_, last = caplog.records
    assert last.getMessage().startswith("everything runs without a graph: ")
    assert len(caplog.records) == MOST_FAILURES


def test_without_memory_for_one_more_graph_the_others_give_way():
    capture = Pretended(fails=("double",), error=torch.OutOfMemoryError("full"))
    run = Runner(capture)
    x = torch.ones(1)
    for function in (triple, triple, double, double, double):
        run(function, x)
    assert capture.built == ["triple", "double"]
    run(triple, x), run(triple, x)
    assert capture.built == ["triple", "double", "triple"]


def test_mistakes_of_ours_are_not_taken_for_graphs_that_fail():
    run = Runner(Pretended(fails=("double",), error=ValueError("a size that breaks the rule")))
    run(double, torch.ones(1))
    with pytest.raises(ValueError, match="breaks the rule"):
        run(double, torch.ones(1))


def follow(model, frames: int, device: str | torch.device = "cpu") -> list[Tensor]:
    """Logits of a video with two objects, one of which is given again in mid-video."""
    generator = torch.Generator().manual_seed(1)
    mask = one_hot((torch.arange(97) * 3 // 97).expand(1, 65, 97), 2).to(device)
    memory, logits = None, []
    for index in range(frames):
        feats = model.encode(torch.randn(1, 3, 65, 97, generator=generator).to(device))
        if memory is None:
            memory = model.start(feats, mask)
            continue
        out = model.segment(feats, memory, (60, 90))
        logits.append(out.logits)
        given = index == 5
        labels = mask if given else one_hot(hard_labels(out.logits), 2)
        memory = model.memorize(out, labels, memory, new_objects=given)
    return logits


@pytest.mark.parametrize("name", ["mavos_nano", "mavos"])
@torch.inference_mode()
def test_a_video_through_repeated_calls_is_the_same(name: str):
    torch.manual_seed(0)
    cfg = configs.load(name, overrides=["model.test_memory_gap=2"]).model
    network, capture = build_model(cfg).eval(), Pretended()
    expected = follow(for_inference(network, run=call), 12)
    ours = follow(for_inference(network, run=Runner(capture)), 12)
    assert {"_encode", "_segment", "_write"} <= set(capture.built), capture.built
    assert "partial" in capture.built  # the fusion
    assert capture.repeats > 12 > len(capture.built)  # few calls, often repeated
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


def test_torch_compile_where_there_are_no_graphs(caplog):
    run = build_runner(torch.device("cpu"))
    assert isinstance(run._capture, Compiled)
    for length in (3, 3, 3, 4, 4):
        x = torch.arange(float(length))
        assert torch.equal(run(double, x), 2 * x)
    built = [c for c in run._calls.values() if c is not None]
    told = [r for r in caplog.records if r.name == "mavos.networks.graphs"]
    if shutil.which("g++") or shutil.which("clang++"):
        assert not told and len(built) == 2 and double not in built
    else:  # a machine without a C++ compiler says so, and goes on without
        assert built.count(double) == len(told)


class PretendedGpu:
    """Pretends to be what of ``torch.cuda`` a capture uses; the test says what a replay does."""

    def __init__(self, monkeypatch, fails: bool = False):
        self.notes, self.current, self.fails = [], "main", fails
        self.replayed: Callable[[], None] = lambda: None
        fakes = {
            "graph_pool_handle": lambda: "pool",
            "Stream": lambda _: self.stream("side"),
            "current_stream": lambda _: self.stream("main"),
            "synchronize": lambda _: self.notes.append("synchronize"),
            "device": lambda _: nullcontext(),
            "stream": self.on,
            "CUDAGraph": lambda: SimpleNamespace(replay=lambda: self.replayed()),
            "graph": self.graph,
        }
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)

    def stream(gpu, name: str):
        class Stream(str):
            def wait_stream(self, other) -> None:
                gpu.notes.append(f"{self} waits for {other}")

        return Stream(name)

    @contextmanager
    def on(self, stream):
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def graph(self, graph, pool, stream, capture_error_mode):
        assert (pool, stream, capture_error_mode) == ("pool", "side", "thread_local")
        self.current = stream  # and stays so: what PyTorch leaves behind when a capture fails
        self.notes.append("capture")
        yield
        if self.fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.current = "main"


def test_the_order_of_a_capture(monkeypatch):
    gpu = PretendedGpu(monkeypatch)
    held: list[Tensor] = []

    def noted(x: Tensor) -> Tensor:
        gpu.notes.append(f"run on {gpu.current}")
        held[:] = [x, torch.zeros(2)]
        return held[1]

    gpu.replayed = lambda: held[1].copy_(10 * held[0])
    replay = CudaGraphs(torch.device("cpu")).build(noted, (torch.ones(2),))
    assert gpu.notes == [
        *("synchronize", "side waits for main"),
        *["run on side"] * 3,
        *("main waits for side", "capture", "run on side"),
    ]
    first, second = replay(torch.tensor([1.0, 2.0])), replay(torch.tensor([3.0, 4.0]))
    assert first.tolist() == [10, 20] and second.tolist() == [30, 40]


def test_a_capture_that_fails_leaves_the_usual_stream(monkeypatch, caplog):
    gpu = PretendedGpu(monkeypatch, fails=True)
    run = Runner(CudaGraphs(torch.device("cpu")))
    for _ in range(2):
        assert run(double, torch.ones(1)).item() == 2
    assert gpu.current == "main" and "not permitted" in caplog.text


def test_tensors_beside_the_gpu_are_no_part_of_a_graph(monkeypatch):
    PretendedGpu(monkeypatch)
    with pytest.raises(RuntimeError, match="double was given tensors that are not on the GPU"):
        CudaGraphs(torch.device("cpu")).build(double, (torch.ones(1, device="meta"),))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@torch.inference_mode()
def test_a_gpu_repeats_a_video_exactly(dtype, caplog):
    torch.manual_seed(0)
    options = ["model.test_memory_gap=2"]  # some updates are fused
    network = build_model(configs.load("mavos_nano", overrides=options).model).eval().cuda()

    gpu = torch.device("cuda")
    expected = follow(for_inference(network, dtype), 12, gpu)
    ours = follow(for_inference(network, dtype, build_runner(gpu)), 12, gpu)
    assert not caplog.records
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)
