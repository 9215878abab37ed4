"""Attention for values wider than keys: over a whole memory, and within a local window.

Shapes: B batch, L = H * W tokens of the current frame, M tokens of memory, K key width, V value
width.
"""

from mavos.networks.attention.local import local_attention
from mavos.networks.attention.whole import global_attention, multi_head_attention

__all__ = ["global_attention", "local_attention", "multi_head_attention"]
