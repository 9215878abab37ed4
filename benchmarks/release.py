"""The authors' released code on any device, run from a checkout of it that is not changed.

Its packages (``networks``, ``configs``, ``utils``) are found before any of these names that lie
elsewhere on the path; ours are within ``mavos``.
"""

import importlib
import importlib.util
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.utils.paths import CHECKOUT

# any stage builds the same network; this one sets nothing but names
STAGE = "configs.pre_ytb_dav_long"
CORRELATION = "spatial_correlation_sampler"
# what other versions of PyTorch and torchvision leave in checkpoints or derive from sizes
DERIVED = (".attn_mask", ".num_batches_tracked", "relative_position_index")


class Release:
    """One video, by the calls that the release's own evaluator makes, without augmentation."""

    def __init__(
        self,
        checkout: str,
        model: str,
        gap: int,
        checkpoint: str,
        device: str,
        dtype: str,
        routing: bool,
    ):
        """checkout: its folder; gap: frames between long-term updates; dtype: fp32, or a half
        precision, which goes by autocast; routing: of fp32 products to oneDNN, on a CPU."""
        self.notes: list[str] = []
        if importlib.util.find_spec(CORRELATION) is None:
            self.notes.append(
                f"{CORRELATION} is not installed, so the release falls back to slower PyTorch code "
                "for its local windows"
            )
        kind = torch.device(device).type
        if routing and kind == "cpu":
            # only here: it loads torchvision, which would count as memory of the release
            from mavos.networks import onednn

            onednn.route_products()
        halved = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(dtype)
        self._precision = torch.autocast(kind, halved) if halved else nullcontext()
        if kind != "cuda":
            _ignore_cuda()
        # some of its packages lie in tools/; a checkout of ours on the path has the same names
        elsewhere = [place for place in sys.path if Path(place).resolve() != CHECKOUT]
        sys.path[:] = [checkout, str(Path(checkout) / "tools"), *elsewhere]
        cfg = importlib.import_module(STAGE).EngineConfig("benchmark", model)
        network = importlib.import_module("networks.models").build_vos_model(cfg.MODEL_VOS, cfg)
        _load(network, Path(checkpoint))
        network = network.eval().to(device)
        self._engine = importlib.import_module("networks.engines").build_engine(
            cfg.MODEL_ENGINE,
            phase="eval",
            aot_model=network,
            gpu_id=torch.device(device).index or 0,
            long_term_mem_gap=gap,
            short_term_mem_skip=getattr(cfg, "TEST_SHORT_TERM_MEM_SKIP", 1),
        )
        self._engine.eval()

    def start(self, image: Tensor, labels: Tensor) -> None:
        given = _at_size(labels, image.shape[-2:])
        with self._precision, self._blamed():
            self._engine.add_reference_frame(
                image, given, obj_nums=[int(labels.max())], frame_step=0
            )

    def step(self, image: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        with self._precision, self._blamed():
            self._engine.match_propogate_one_frame(image)
            logits = self._engine.decode_current_logits(tuple(labels.shape[-2:]))
            # its evaluator takes the largest probability twice; once is enough for the labels
            found = torch.softmax(logits, dim=1).argmax(dim=1)
            self._engine.update_memory(_at_size(labels, self._engine.input_size_2d))
        return logits, found

    def _blamed(self) -> "_Blamed":
        return _Blamed(self.notes)


class _Blamed:
    """A failure within is reported with the notes that may explain it."""

    def __init__(self, notes: list[str]):
        self._notes = notes

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, traceback) -> None:
        if isinstance(error, RuntimeError):
            first = (str(error).splitlines() or [kind.__name__])[0]
            raise RuntimeError("; ".join([f"the release failed: {first}", *self._notes])) from error


def _at_size(labels: Tensor, size: tuple[int, int]) -> Tensor:
    """Labels (1, H, W) as the release takes them: (1, 1, H', W') float32, nearest neighbour."""
    return F.interpolate(labels[:, None].float(), size=tuple(size), mode="nearest")


def _ignore_cuda() -> None:
    """Make the calls that move things to a GPU leave them where they are."""
    Tensor.cuda = nn.Module.cuda = lambda self, *args, **kwargs: self
    for name in ("set_device", "synchronize", "empty_cache"):
        setattr(torch.cuda, name, lambda *args, **kwargs: None)


def _load(network: nn.Module, checkpoint: Path) -> None:
    """Raises RuntimeError if the keys of the checkpoint are not those of the network."""
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    missing, unexpected = network.load_state_dict(state, strict=False)
    strange = [key for key in (*missing, *unexpected) if not key.endswith(DERIVED)]
    if strange:
        raise RuntimeError(f"weights do not fit the release: {', '.join(strange[:5])}")
