"""What the paper's Table 6 sets beside MCA, each in the place of its modulated attention.

The paper names cross-attention, focal modulation and global context and gives no formulas. These
are our reading: MCA with a part taken away, or the formula of the work that the name stands for.
Norms, residual connections and MLP around them are those of ``mca.ModulatedCrossAttention``.

Shapes: B batch, L = H * W tokens, C channels of what is fused.
"""

from torch import Tensor, nn

from mavos.networks.attention import multi_head_attention
from mavos.networks.layers import join_heads, split_heads, to_tokens
from mavos.networks.mavos.mca import FocalContext


class CrossAttention(nn.Module):
    """MCA without modulation: the values are the projected context."""

    reads_latents = True

    def __init__(self, dim: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim, bias=False)
        self.k = nn.Linear(dim, dim, bias=False)
        self.v = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), normalised. Returns (B, L, C)."""
        projected = self.q(latents), self.k(context), self.v(context)
        parts = (split_heads(x, self.heads) for x in projected)
        return self.proj(join_heads(multi_head_attention(*parts)))


class FocalModulation(FocalContext):
    """MCA without attention: the modulator of the context times the projected new tokens, cell by
    cell (Yang et al., Focal Modulation Networks, arXiv 2203.11926, equation 4)."""

    def __init__(self, dim: int, focal_levels: int = 2, focal_window: int = 3):
        super().__init__(dim, focal_levels, focal_window)
        self.q = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), normalised. Returns (B, L, C)."""
        modulator = to_tokens(self.modulator(self.f_context(context), size))
        return self.proj(self.q(latents) * modulator)


class GlobalContext(nn.Module):
    """One vector for the whole context, pooled by attention, transformed and given to every token
    (Cao et al., GCNet, arXiv 1904.11492, section 3.4)."""

    reads_latents = False  # the layer adds the vector to them

    def __init__(self, dim: int):
        super().__init__()
        narrow = dim // 4  # a key has 128 channels; GCNet's 16 would leave 8 of them
        self.score = nn.Linear(dim, 1)
        self.transform = nn.Sequential(
            nn.Linear(dim, narrow), nn.LayerNorm(narrow), nn.ReLU(), nn.Linear(narrow, dim)
        )

    def forward(self, latents: Tensor, context: Tensor, size: tuple[int, int]) -> Tensor:
        """latents, context: (B, L, C), the latter normalised. Returns (B, L, C), the same for every
        token."""
        pooled = self.score(context).softmax(dim=1).mT @ context
        return self.transform(pooled).expand_as(latents)
