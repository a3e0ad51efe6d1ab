"""SegFormer (Xie et al., NeurIPS 2021), after the paper: Mix Transformer encoder, MLP decoder.

Parameters have the names of Hugging Face's checkpoints, so that these load as they are.
"""

from __future__ import annotations

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Of each stage: heads, keys' reduction, kernel and step of the patches (paper, table 6).
HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))
# Widening of the feed-forward layers.
EXPANSION = 4
STRIDE = 4


@dataclasses.dataclass(frozen=True)
class Config:
    """A member of the family: widths and depths of the four stages, width of the decoder."""

    widths: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]
    decoder: int


_WIDE = (64, 128, 320, 512)
CONFIGS = {
    "segformer-b0": Config((32, 64, 160, 256), (2, 2, 2, 2), 256),
    "segformer-b1": Config(_WIDE, (2, 2, 2, 2), 256),
    "segformer-b2": Config(_WIDE, (3, 4, 6, 3), 768),
    "segformer-b3": Config(_WIDE, (3, 4, 18, 3), 768),
    "segformer-b4": Config(_WIDE, (3, 8, 27, 3), 768),
    "segformer-b5": Config(_WIDE, (3, 6, 40, 3), 768),
}


def as_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """(1, H × W, C) as (1, C, H, W)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], -1, height, width)


def as_tokens(x: Tensor) -> Tensor:
    """(1, C, H, W) as (1, H × W, C)."""
    return x.flatten(2).transpose(1, 2)


def normed(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    """A layer norm without its weights, which `after` gives the next layer: as m2fp's kernel is
    found."""
    return F.layer_norm(x, norm.normalized_shape, eps=norm.eps)


def after(norm: nn.LayerNorm, layer: nn.Linear | nn.Conv2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer, without padding, that is given what `normed` gives."""
    shape = (1, -1) + (1,) * (layer.weight.dim() - 2)
    shift = (layer.weight * norm.bias.reshape(shape)).flatten(1).sum(1)
    return layer.weight * norm.weight.reshape(shape), layer.bias + shift


class PatchEmbedding(nn.Module):
    """Overlapping patches: a convolution with steps, and a norm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, step: int):
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, step, padding=kernel // 2)
        self.layer_norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, int, int]:
        x = self.proj(x)
        return self.layer_norm(as_tokens(x)), x.shape[2], x.shape[3]


class SelfAttention(nn.Module):
    """Attention whose keys and values come from a map made smaller (paper, 3.1)."""

    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.reduction = reduction
        if reduction > 1:
            self.sr = nn.Conv2d(width, width, reduction, reduction)
            self.layer_norm = nn.LayerNorm(width)

    def split(self, x: Tensor) -> Tensor:
        """(1, N, C) as (1, heads, N, C / heads)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, height: int, width: int, norm: nn.LayerNorm) -> Tensor:
        """Of what comes before `norm`."""
        source = x = normed(x, norm)
        weight, bias = after(norm, self.query)
        scale = (self.query.out_features // self.heads) ** -0.5
        query = self.split(F.linear(x, scale * weight, scale * bias))
        if self.reduction > 1:
            reduced = F.conv2d(as_map(x, height, width), *after(norm, self.sr), self.reduction)
            norm = self.layer_norm
            source = normed(as_tokens(reduced), norm)
        key, value = (
            self.split(F.linear(source, *after(norm, layer))) for layer in (self.key, self.value)
        )
        # As m2fp's kernel for attention is found.
        weights = (query @ key.transpose(-2, -1)).softmax(-1)
        return (weights @ value).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.self = SelfAttention(width, heads, reduction)
        self.output = nn.Module()
        self.output.dense = nn.Linear(width, width)

    def forward(self, x: Tensor, height: int, width: int, norm: nn.LayerNorm) -> Tensor:
        return self.output.dense(self.self(x, height, width, norm))


class MixFeedForward(nn.Module):
    """A feed-forward layer with a depthwise convolution, which tells where things are."""

    def __init__(self, width: int):
        super().__init__()
        hidden = EXPANSION * width
        self.dense1 = nn.Linear(width, hidden)
        self.dwconv = nn.Module()
        self.dwconv.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.dense2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor, height: int, width: int, norm: nn.LayerNorm) -> Tensor:
        """Tokens before `norm` to a map, so that m2fp's kernel for all three layers is found."""
        weight, bias = after(norm, self.dense1)
        x = F.conv2d(as_map(normed(x, norm), height, width), weight[:, :, None, None], bias)
        x = F.gelu(self.dwconv.dwconv(x))
        return F.conv2d(x, self.dense2.weight[:, :, None, None], self.dense2.bias)


class Block(nn.Module):
    def __init__(self, width: int, heads: int, reduction: int):
        super().__init__()
        self.layer_norm_1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, reduction)
        self.layer_norm_2 = nn.LayerNorm(width)
        self.mlp = MixFeedForward(width)

    def forward(self, x: Tensor, height: int, width: int) -> Tensor:
        x = x + self.attention(x, height, width, self.layer_norm_1)
        mixed = self.mlp(x, height, width, self.layer_norm_2)
        return as_tokens(as_map(x, height, width) + mixed)


class Encoder(nn.Module):
    """Maps of four scales."""

    def __init__(self, config: Config):
        super().__init__()
        self.patch_embeddings = nn.ModuleList()
        self.block = nn.ModuleList()
        self.layer_norm = nn.ModuleList()
        inputs = 3
        for stage, width in enumerate(config.widths):
            self.patch_embeddings.append(PatchEmbedding(inputs, width, *PATCHES[stage]))
            blocks = (
                Block(width, HEADS[stage], REDUCTIONS[stage]) for _ in range(config.depths[stage])
            )
            self.block.append(nn.ModuleList(blocks))
            self.layer_norm.append(nn.LayerNorm(width))
            inputs = width

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for embedding, blocks, norm in zip(self.patch_embeddings, self.block, self.layer_norm):
            x, height, width = embedding(x)
            for block in blocks:
                x = block(x, height, width)
            x = as_map(norm(x), height, width)
            maps.append(x)
        return maps


class Decoder(nn.Module):
    """All maps as wide as each other and as large as the first, mixed at each place.

    The paper widens maps, enlarges them and mixes them. All three are linear: what a map's widening
    and its part of the mixing, with the norm behind it, come to is one matrix, and the place for it
    is before maps are enlarged. That takes a tenth of the operations.
    """

    def __init__(self, config: Config, classes: int):
        super().__init__()
        self.linear_c = nn.ModuleList()
        for width in config.widths:
            layer = nn.Module()
            layer.proj = nn.Linear(width, config.decoder)
            self.linear_c.append(layer)
        self.linear_fuse = nn.Conv2d(4 * config.decoder, config.decoder, 1, bias=False)
        self.batch_norm = nn.BatchNorm2d(config.decoder)
        self.classifier = nn.Conv2d(config.decoder, classes, 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        norm = self.batch_norm
        factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
        mixing = (factor[:, None] * self.linear_fuse.weight[:, :, 0, 0]).chunk(len(maps), dim=1)
        shift = norm.bias - norm.running_mean * factor
        parts = []
        # The last map's part comes first.
        for layer, matrix, x in zip(self.linear_c, mixing[::-1], maps):
            weight, bias = matrix @ layer.proj.weight, matrix @ layer.proj.bias
            if not parts:
                bias = bias + shift
            parts.append(F.conv2d(x, weight[:, :, None, None], bias))
        # As m2fp's kernel for sums of maps is found.
        size = maps[0].shape[2:]
        total = F.interpolate(parts[1], size=size, mode="bilinear")
        for part in parts[2:]:
            total = total + F.interpolate(part, size=size, mode="bilinear")
        return self.classifier(torch.relu(parts[0] + total))


class SegFormer(nn.Module):
    """Normalised image (1, 3, H, W) to logits (1, classes, H / 4, W / 4)."""

    def __init__(self, config: Config, classes: int):
        super().__init__()
        self.segformer = nn.Module()
        self.segformer.encoder = Encoder(config)
        self.decode_head = Decoder(config, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.decode_head(self.segformer.encoder(image))
