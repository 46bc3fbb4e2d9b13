"""The noise predictor: a UNet with cross-attention on the text, keys as in ldm.modules.diffusionmodules."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ResBlock(nn.Module):
    """Two convolutions round the time embedding, with a skip."""

    def __init__(self, channels_in: int, embedding: int, channels: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(32, channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, channels))
        last = _zeroed(nn.Conv2d(channels, channels, 3, padding=1))
        self.out_layers = nn.Sequential(nn.GroupNorm(32, channels), nn.SiLU(), nn.Dropout(0.0), last)
        same = channels_in == channels
        self.skip_connection = nn.Identity() if same else nn.Conv2d(channels_in, channels, 1)

    def forward(self, x: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class CrossAttention(nn.Module):
    """Attention of the picture on `context`, or on itself."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width), nn.Dropout(0.0))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        b, n, d = x.shape
        q, k, v = (
            t.reshape(b, -1, self.heads, d // self.heads).transpose(1, 2)
            for t in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.to_out(attended.transpose(1, 2).reshape(b, n, d))


class GEGLU(nn.Module):
    """A linear layer gated by another."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width_in, width * 2)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, -1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    """The two linear layers after attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GEGLU(width, 4 * width), nn.Dropout(0.0), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Attention on the picture, attention on the text, feed-forward."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.attn1 = CrossAttention(width, width, heads)
        self.ff = FeedForward(width)
        self.attn2 = CrossAttention(width, context, heads)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        h = self.norm1(x)
        x = self.attn1(h, h) + x
        x = self.attn2(self.norm2(x), context) + x
        return self.ff(self.norm3(x)) + x


class SpatialTransformer(nn.Module):
    """A transformer block over the picture's places."""

    def __init__(self, channels: int, context: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(channels, context, heads)])
        self.proj_out = _zeroed(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        b, c, h, w = x.shape
        tokens = self.proj_in(self.norm(x)).permute(0, 2, 3, 1).reshape(b, h * w, c)
        tokens = self.transformer_blocks[0](tokens, context)
        return x + self.proj_out(tokens.reshape(b, h, w, c).permute(0, 3, 1, 2))


class Downsample(nn.Module):
    """Half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    """Twice the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor, embedding: Tensor, context: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


class InputConv(nn.Conv2d):
    """The first convolution, called like every other block."""

    def forward(self, x: Tensor, embedding: Tensor | None = None, context: Tensor | None = None) -> Tensor:
        return super().forward(x)


class UNet(nn.Module):
    """Predicts the noise in `x` (latents) at step `t` under the text's `context`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        model_channels: int,
        attention_resolutions: list[int],
        num_res_blocks: int,
        channel_mult: list[int],
        num_heads: int,
        context_dim: int,
    ) -> None:
        super().__init__()
        width = self.width = model_channels
        embedding = width * 4
        self.time_embed = nn.Sequential(
            nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.input_blocks = nn.ModuleList([nn.ModuleList([InputConv(in_channels, width, 3, padding=1)])])
        skips, channels, scale = [width], width, 1
        for level, mult in enumerate(channel_mult):
            for _ in range(num_res_blocks):
                layers: list[nn.Module] = [ResBlock(channels, embedding, mult * width)]
                channels = mult * width
                if scale in attention_resolutions:
                    layers.append(SpatialTransformer(channels, context_dim, num_heads))
                self.input_blocks.append(nn.ModuleList(layers))
                skips.append(channels)
            if level != len(channel_mult) - 1:
                self.input_blocks.append(nn.ModuleList([Downsample(channels)]))
                skips.append(channels)
                scale *= 2
        self.middle_block = nn.ModuleList(
            [
                ResBlock(channels, embedding, channels),
                SpatialTransformer(channels, context_dim, num_heads),
                ResBlock(channels, embedding, channels),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for level, mult in reversed(list(enumerate(channel_mult))):
            for i in range(num_res_blocks + 1):
                layers = [ResBlock(channels + skips.pop(), embedding, mult * width)]
                channels = mult * width
                if scale in attention_resolutions:
                    layers.append(SpatialTransformer(channels, context_dim, num_heads))
                if level and i == num_res_blocks:
                    layers.append(Upsample(channels))
                    scale //= 2
                self.output_blocks.append(nn.ModuleList(layers))
        last = _zeroed(nn.Conv2d(width, out_channels, 3, padding=1))
        self.out = nn.Sequential(nn.GroupNorm(32, channels), nn.SiLU(), last)

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        embedding = self.time_embed(timestep_embedding(t, self.width).to(self.time_embed[0].weight.dtype))
        skips = []
        for block in self.input_blocks:
            for layer in block:
                x = layer(x, embedding, context)
            skips.append(x)
        for layer in self.middle_block:
            x = layer(x, embedding, context)
        for block in self.output_blocks:
            x = torch.cat([x, skips.pop()], 1)
            for layer in block:
                x = layer(x, embedding, context)
        return self.out(x)


def timestep_embedding(t: Tensor, width: int) -> Tensor:
    """Sines and cosines of the step, `width` of them."""
    half = width // 2
    places = torch.arange(half, device=t.device, dtype=torch.float32)
    angles = t[:, None].float() * torch.exp(-math.log(10000) * places / half)[None]
    return torch.cat([torch.cos(angles), torch.sin(angles)], -1)


def _zeroed(conv: nn.Conv2d) -> nn.Conv2d:
    """The convolution with nothing in it: its block starts as the identity."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    return conv
