"""A transformer over the tokens of a volume, with nnU-Net's parameter names: the encoder of `Primus`.

Tokens are (B, N, width); those of a volume follow the axes (z, y, x), the last one fastest. Rotary positions are those
of RoFormer (Su et al., arXiv 2104.09864), with the angles of each axis side by side; blocks are those of EVA-02 (Fang
et al., arXiv 2303.11331).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnplug_nnunet.primus_extent import Extent

_BASE = 10000.0  # of the wave lengths of rotary positions
_DEVIATION = 0.02  # of fresh weights
_LAYER_SCALE = 0.1


class Transformer(nn.Module):
    """Blocks of attention and gated layers over tokens with learnt and rotary positions."""

    def __init__(self, extent: Extent, grid: Sequence[int], drop_path: float) -> None:
        """Make fresh weights.

        Args:
            extent: the size.
            grid: number of tokens along (z, y, x).
            drop_path: probability that the last block is left out for a sample; it rises linearly from 0.
        """
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, math.prod(grid), extent.width))
        rates = [drop_path * number / max(1, extent.depth - 1) for number in range(extent.depth)]
        self.blocks = nn.ModuleList(Block(extent, rate) for rate in rates)
        self.norm = nn.LayerNorm(extent.width)
        sine, cosine = rotary_positions(grid, extent.width // extent.heads)
        self.register_buffer("sine", sine, persistent=False)
        self.register_buffer("cosine", cosine, persistent=False)
        self._draw_weights()

    def _draw_weights(self) -> None:
        """Draw weights: linear layers alike, those at the end of block n divided by the root of 2 n."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=_DEVIATION)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.pos_embed, std=_DEVIATION)
        with torch.no_grad():
            for number, block in enumerate(self.blocks, start=1):
                for layer in block.last_layers():  # type: ignore[operator]
                    layer.weight.div_(math.sqrt(2.0 * number))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the encoded tokens."""
        tokens = tokens + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens, self.sine, self.cosine)
        normed: Tensor = self.norm(tokens)
        return normed


class Block(nn.Module):
    """Attention and a gated layer, each normed before, scaled per feature and added; a sample can skip them."""

    def __init__(self, extent: Extent, drop_path: float) -> None:
        """Make layers of this size, which are left out for a sample with the probability `drop_path`."""
        super().__init__()
        self.drop_path = drop_path
        self.norm1 = nn.LayerNorm(extent.width)
        self.attn = Attention(extent)
        self.gamma_1 = nn.Parameter(torch.full((extent.width,), _LAYER_SCALE))
        self.norm2 = nn.LayerNorm(extent.width)
        self.mlp = GatedLayer(extent)
        self.gamma_2 = nn.Parameter(torch.full((extent.width,), _LAYER_SCALE))

    def last_layers(self) -> tuple[nn.Linear, nn.Linear]:
        """Return the layers whose results are added to the tokens."""
        return self.attn.proj, self.mlp.fc2

    def forward(self, tokens: Tensor, sine: Tensor, cosine: Tensor) -> Tensor:
        """Return the tokens after the block."""
        tokens = tokens + self._kept(self.gamma_1 * self.attn(self.norm1(tokens), sine, cosine))
        return tokens + self._kept(self.gamma_2 * self.mlp(self.norm2(tokens)))

    def _kept(self, change: Tensor) -> Tensor:
        """Return the change (B, N, width), in training zero for some samples and larger for the others."""
        if not self.training or self.drop_path == 0:
            return change
        share = 1 - self.drop_path
        return change * change.new_empty((len(change), 1, 1)).bernoulli_(share).div_(share)


class Attention(nn.Module):
    """Attention of all tokens to all, whose queries and keys are turned by their positions."""

    def __init__(self, extent: Extent) -> None:
        """Make layers of this size; keys have no bias."""
        super().__init__()
        width = extent.width
        self.heads = extent.heads
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor, sine: Tensor, cosine: Tensor) -> Tensor:
        """Return what each token takes from all, (B, N, width)."""
        query, key, value = (self._by_head(layer(tokens)) for layer in (self.q_proj, self.k_proj, self.v_proj))
        query, key = (turned(part, sine, cosine).type_as(value) for part in (query, key))
        mixed = functional.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(self.norm(mixed.transpose(1, 2).flatten(2)))
        return result

    def _by_head(self, features: Tensor) -> Tensor:
        """Return features (B, N, width) as (B, heads, N, width / heads)."""
        samples, tokens, width = features.shape
        return features.reshape(samples, tokens, self.heads, width // self.heads).transpose(1, 2)


class GatedLayer(nn.Module):
    """Two linear layers, the first multiplied by a gate (SwiGLU) and normed."""

    def __init__(self, extent: Extent) -> None:
        """Make layers of this size."""
        super().__init__()
        self.fc1_g = nn.Linear(extent.width, extent.hidden)
        self.fc1_x = nn.Linear(extent.width, extent.hidden)
        self.norm = nn.LayerNorm(extent.hidden)
        self.fc2 = nn.Linear(extent.hidden, extent.width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return new features of each token alone, (B, N, width)."""
        result: Tensor = self.fc2(self.norm(functional.silu(self.fc1_g(tokens)) * self.fc1_x(tokens)))
        return result


def rotary_positions(grid: Sequence[int], features: int) -> tuple[Tensor, Tensor]:
    """Return sine and cosine of the angles of all tokens, (N, features) float32 each.

    A third of the features belongs to each axis, from wave length 2 pi on, in pairs of one angle.

    Args:
        grid: number of tokens along (z, y, x).
        features: features of a head, a multiple of 6.
    """
    bands = features // 6
    frequencies = 1.0 / _BASE ** (torch.arange(bands, dtype=torch.float32) / bands)
    axes = torch.meshgrid([torch.arange(n, dtype=torch.float32) for n in grid], indexing="ij")
    angles = (torch.stack(axes, -1)[..., None] * frequencies).flatten(0, 2).flatten(1).repeat_interleave(2, -1)
    return angles.sin(), angles.cos()


def turned(features: Tensor, sine: Tensor, cosine: Tensor) -> Tensor:
    """Return features (.., N, features) whose pairs are turned by the angles of their tokens."""
    crossed = torch.stack((-features[..., 1::2], features[..., ::2]), -1).flatten(-2)
    return features * cosine + crossed * sine
