"""CLIP's text encoder, keys as in transformers' CLIPTextModel (quick GELU, causal)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Causal attention among the tokens."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = (
            proj(x).reshape(b, n, self.heads, -1).transpose(1, 2)
            for proj in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(attended.transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    """Two linear layers with a quick GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))


class Layer(nn.Module):
    """Attention, then the two linear layers."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.layer_norm1 = nn.LayerNorm(width)
        self.mlp = Mlp(width, hidden)
        self.layer_norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class TextModel(nn.Module):
    """Token ids (n x 77) to the context the UNet reads (n x 77 x width)."""

    def __init__(self, vocab: int, width: int, layers: int, heads: int, mlp: int, ctx: int) -> None:
        super().__init__()
        inner = self.text_model = nn.Module()
        inner.embeddings = nn.Module()
        inner.embeddings.token_embedding = nn.Embedding(vocab, width)
        inner.embeddings.position_embedding = nn.Embedding(ctx, width)
        nn.init.normal_(inner.embeddings.token_embedding.weight, std=0.3)
        nn.init.normal_(inner.embeddings.position_embedding.weight, std=0.1)
        inner.encoder = nn.Module()
        inner.encoder.layers = nn.ModuleList([Layer(width, heads, mlp) for _ in range(layers)])
        inner.final_layer_norm = nn.LayerNorm(width)

    def forward(self, ids: Tensor) -> Tensor:
        inner = self.text_model
        places = inner.embeddings.position_embedding.weight[None, : ids.shape[1]]
        x = inner.embeddings.token_embedding(ids) + places
        for layer in inner.encoder.layers:
            x = layer(x)
        return inner.final_layer_norm(x)
