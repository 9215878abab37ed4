"""Softmax attention to every token of a memory."""

from torch import Tensor

# Most scores (not bytes) of one product. On a CPU they stay near the cache; elsewhere products are
# launches, so they are few and large, and the limit only guards memory.
SCORES_ON_CPU, SCORES_ELSEWHERE = 2**19, 2**26


def global_attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention to every memory token.

    query (B, L, K), already scaled; key (B, M, K); value (B, M, V). Returns (B, L, V).
    Queries go in chunks, so that a long memory needs no (L, M) matrix of scores.
    """
    limit = SCORES_ON_CPU if query.device.type == "cpu" else SCORES_ELSEWHERE
    chunk = max(32, limit // key.shape[1])
    key = key.transpose(1, 2)
    parts = [(part @ key).softmax(dim=-1) @ value for part in query.split(chunk, dim=1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
