"""What AOT, DeAOT and MAVOS share: encoder, ID bank, a stack of blocks that read long-term and
short-term memory, and a decoder, behind the four verbs of ``VideoSegmenter``."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mavos.networks.attention import backends
from mavos.networks.encoders.encoder import Encoder
from mavos.networks.layers import to_tokens, upsample
from mavos.networks.lstt.memory import Entry, Fuse, Memory, Policy, remember
from mavos.networks.segmenter import Network, Segmented, SizeRule, resize_mask
from mavos.utils.key_names import KeyNames


class IDBank(nn.Module):
    """Turns a mask into ID embeddings, one per token: which identities cover the cell."""

    def __init__(
        self, max_objects: int, dim: int, stride: int, align_corners: bool, normalise: bool = True
    ):
        """stride: pixels per token. normalise: AOT does not."""
        super().__init__()
        self.stride, self.align_corners = stride, align_corners
        # With aligned corners cells are centred on pixels 0, 16, 32, …, and so is the kernel.
        kernel, padding = (stride + 1, stride // 2) if align_corners else (stride, 0)
        self.conv = nn.Conv2d(max_objects + 1, dim, kernel, stride, padding)
        self.norm = nn.LayerNorm(dim) if normalise else nn.Identity()

    def forward(self, mask: Tensor, size: tuple[int, int]) -> Tensor:
        """mask (B, 1 + N, H, W) of any size, N up to the bank's; size (h, w) of the token grid.

        Returns (B, h * w, dim).
        """
        extra = int(self.align_corners)
        pixels = tuple(self.stride * (side - extra) + extra for side in size)
        mask = resize_mask(mask, pixels, self.conv.weight.dtype)
        # Channels of unused identities are zero: the products with them are not made.
        weight = self.conv.weight[:, : mask.shape[1]]
        embedding = F.conv2d(mask, weight, self.conv.bias, self.stride, self.conv.padding)
        return self.norm(to_tokens(embedding))


class LongShortTermSegmenter(Network):
    """Segments up to ``max_objects`` objects; ``networks/wrappers.py`` takes it further.

    Which blocks ``elstt`` has decides what it is: those of the E-LSTT make it MAVOS, without a
    fusion in them DeAOT, those of the LSTT AOT.

    The verbs keep the books; all work on tensors is in methods that ``run`` calls, and that depend
    on nothing but their arguments.
    """

    in_float32 = ("elstt.norm.", "decoder.conv_out.")  # what half precision leaves alone

    def __init__(
        self,
        encoder: Encoder,
        projector: nn.Module,
        id_bank: IDBank,
        elstt: nn.Module,
        decoder: nn.Module,
        *,
        max_objects: int,
        policy: Policy,
        reference_policy: Policy,
        train_memory_gap: int,
        test_memory_gap: int,
        short_term_skip: int,
        fuse_blocks: Callable[["LongShortTermSegmenter"], None],
        local_attention: str,
        key_names: KeyNames,
        memory_dtype: torch.dtype | None = None,
    ):
        """reference_policy: what takes in frames annotated in mid-video. fuse_blocks: puts the
        inference form in the place of ``elstt``. local_attention: how the blocks compute it.
        memory_dtype: what memory is kept in when not training; None: what is computed in."""
        super().__init__()
        self.encoder, self.projector, self.id_bank = encoder, projector, id_bank
        self.elstt, self.decoder = elstt, decoder
        self.max_objects, self.align_corners = max_objects, encoder.align_corners
        # of all encoders alike, though nano with its stride of 8 would take more sizes
        self.size_rule = SizeRule(16, int(encoder.align_corners))
        self.policy, self.reference_policy = policy, reference_policy
        self.short_term_skip = short_term_skip
        self.train_memory_gap, self.test_memory_gap = train_memory_gap, test_memory_gap
        self.fuse_blocks, self.memory_dtype = fuse_blocks, memory_dtype
        self.local_attention, self.key_names = local_attention, key_names

    def check_device(self, device: torch.device, dtype: torch.dtype) -> None:
        """Raises UserError if local attention is to be computed by something that is not there."""
        if self.local_attention != "auto":
            backends.named(self.local_attention, device, dtype)

    def fuse(self) -> None:
        """Become the inference form, see ``networks/inference.py``."""
        self.encoder.fuse()
        self.fuse_blocks(self)

    def encode(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised RGB -> the encoder's maps, the last one projected to the E-LSTT.

        Raises ValueError for a size that breaks the encoder's rule.
        """
        stride, extra = self.encoder.strides[-1], int(self.align_corners)
        if any((side - extra) % stride or side < stride for side in image.shape[-2:]):
            rule = f"{stride} k + 1" if self.align_corners else f"{stride} k"
            raise ValueError(f"image sides must be {rule} pixels, got {tuple(image.shape[-2:])}")
        return self.run(self._encode, image)

    def start(self, feats: list[Tensor], mask: Tensor) -> Memory:
        """mask (B, 1 + N, H, W), any size, N up to ``max_objects``."""
        _, entries = self.run(self._reference_pass, feats, mask)
        entries = tuple(entry.to(self._kept_in(entry)) for entry in entries)
        return Memory(entries, (entries,), num_objects=mask.shape[1] - 1)

    def reference(
        self,
        feats: list[Tensor],
        mask: Tensor,
        size: tuple[int, int],
        memory: Memory | None = None,
        slots: Tensor | None = None,
    ) -> tuple[Tensor, Memory]:
        """Training's ``start``, or, with a memory, ``memorize`` of one more annotated frame.

        Also gives the logits of the frame, which attends to its own mask.
        """
        decoder_input, entries = self._reference_pass(feats, mask)
        logits = self._logits(decoder_input, feats, mask.shape[1] - 1, size, slots)
        if memory is None:
            return logits, Memory(entries, (entries,), num_objects=mask.shape[1] - 1)
        return logits, self._remember(feats, entries, mask, memory, is_reference=True)

    def segment(
        self,
        feats: list[Tensor],
        memory: Memory,
        size: tuple[int, int],
        slots: Tensor | None = None,
    ) -> Segmented:
        """Logits (B, 1 + N, H, W) at ``size``; the decoder's own size is that of ``feats[0]``."""
        read = feats, memory.long_term, memory.short_term[0]
        logits, seen = self.run(self._segment, *read, memory.num_objects, tuple(size), slots)
        return Segmented(logits, feats, carry=seen)

    def memorize(
        self, out: Segmented, mask: Tensor, memory: Memory, new_objects: bool = False
    ) -> Memory:
        """Memory after the frame; with ``new_objects`` the frame becomes one more reference."""
        if new_objects:
            _, entries = self.run(self._reference_pass, out.feats, mask)
        else:
            entries = self.run(self._write, out.carry, mask, tuple(out.feats[-1].shape[-2:]))
        return self._remember(out.feats, entries, mask, memory, is_reference=new_objects)

    def unreached(self, clip_length: int, references: int = 1) -> tuple[str, ...]:
        """Prefixes of parameters that training on clips of that many frames, of which the first
        ``references`` are annotated, does not reach."""
        # The first update is appended, only later ones are fused; a second annotated frame is an
        # update at once. The last frame is not memorised.
        gap = self.train_memory_gap
        first_fusion = 2 * gap if references == 1 else 1 + gap
        if clip_length - 2 >= first_fusion:
            return ()
        return tuple(f"{name}." for name, _ in self.named_modules() if name.endswith(".mca"))

    def _kept_in(self, entry: Entry) -> torch.dtype:
        """What memory is kept in."""
        return entry.key.dtype if self.training else self.memory_dtype or entry.key.dtype

    def _encode(self, image: Tensor) -> list[Tensor]:
        image = image.to(self.projector.weight.dtype, memory_format=torch.channels_last)
        *skips, deepest = self.encoder(image)
        return [*skips, self.projector(deepest)]

    def _segment(
        self,
        feats: list[Tensor],
        long_term: tuple[Entry, ...],
        short_term: tuple[Entry, ...],
        num_objects: int,
        size: tuple[int, int],
        slots: Tensor | None,
    ) -> tuple[Tensor, tuple]:
        """Logits, and what each block saw."""
        projected = feats[-1]
        if self.memory_dtype is not None:
            read = projected.dtype
            long_term, short_term = ([e.to(read) for e in part] for part in (long_term, short_term))
        decoder_input, seen = self.elstt(
            to_tokens(projected), projected.shape[-2:], long_term, short_term
        )
        return self._logits(decoder_input, feats, num_objects, size, slots), seen

    def _write(self, seen: tuple, mask: Tensor, size: tuple[int, int]) -> tuple[Entry, ...]:
        """Memory entries of a segmented frame with a token grid of ``size``."""
        return self.elstt.entries(seen, self.id_bank(mask, size))

    def _logits(
        self,
        decoder_input: Tensor,
        feats: list[Tensor],
        num_objects: int,
        size: tuple[int, int],
        slots: Tensor | None,
    ) -> Tensor:
        if slots is None:
            # few channels: resizing them is fast in planes, slow in channels_last
            logits = self.decoder(decoder_input, feats[:-1], num_objects + 1).contiguous()
        else:
            logits = self.decoder(decoder_input, feats[:-1])
            logits = logits.gather(1, slots[:, :, None, None].expand(-1, -1, *logits.shape[-2:]))
        return upsample(logits, size, self.align_corners)

    def _reference_pass(
        self, feats: list[Tensor], mask: Tensor
    ) -> tuple[Tensor, tuple[Entry, ...]]:
        """Decoder input and memory entries of an annotated frame."""
        size = feats[-1].shape[-2:]
        id_embedding = self.id_bank(mask, size)
        decoder_input, seen = self.elstt(to_tokens(feats[-1]), size, id_embedding=id_embedding)
        return decoder_input, self.elstt.entries(seen, id_embedding)

    def _remember(
        self,
        feats: list[Tensor],
        entries: tuple[Entry, ...],
        mask: Tensor,
        memory: Memory,
        is_reference: bool,
    ) -> Memory:
        computed, kept = entries[0].key.dtype, self._kept_in(entries[0])
        entries = tuple(entry.to(kept) for entry in entries)

        def fuse_kept(fuse: Fuse, new: Entry, old: Entry) -> Entry:
            return self.run(fuse, new.to(computed), old.to(computed)).to(kept)

        fusions = self.elstt.fusions(tuple(feats[-1].shape[-2:]))
        return remember(
            memory,
            entries,
            policy=self.reference_policy if is_reference else self.policy,
            fuse=tuple(fuse and partial(fuse_kept, fuse) for fuse in fusions),
            gap=self.train_memory_gap if self.training else self.test_memory_gap,
            short_term_skip=self.short_term_skip,
            num_objects=mask.shape[1] - 1,
            is_reference=is_reference,
        )
