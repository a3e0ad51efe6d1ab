"""Pixel decoder: deformable attention over three levels, then one FPN level at stride 4."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import Config
from .deformable_attention import DeformableAttention
from .layers import Conv2d, sine_positions

LEVELS = ("res5", "res4", "res3")


class EncoderLayer(nn.Module):
    """Deformable self-attention and a feed-forward network, each followed by LayerNorm."""

    def __init__(self, config: Config):
        super().__init__()
        dim = config.hidden_dim
        self.self_attn = DeformableAttention(
            dim, config.num_heads, len(LEVELS), config.encoder_points
        )
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, config.encoder_ffn)
        self.linear2 = nn.Linear(config.encoder_ffn, dim)
        self.norm2 = nn.LayerNorm(dim)

    def forward(
        self, x: Tensor, positions: Tensor, spatial_shapes: Tensor, reference_points: Tensor
    ) -> Tensor:
        x = self.norm1(x + self.self_attn(x + positions, x, spatial_shapes, reference_points))
        return self.norm2(x + self.linear2(F.relu(self.linear1(x))))


class Encoder(nn.Module):
    """The layers, in a module of their own because the checkpoints name one."""

    def __init__(self, config: Config):
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))


class Transformer(nn.Module):
    """Encoder over the tokens of all levels, each token marked with its level and position."""

    def __init__(self, config: Config):
        super().__init__()
        self.encoder = Encoder(config)
        self.level_embed = nn.Parameter(torch.randn(len(LEVELS), config.hidden_dim))

    def forward(self, maps: list[Tensor], positions: list[Tensor]) -> list[Tensor]:
        """Maps (B, E, H, W) and positions (H * W, E) of each level to tokens (B, H * W, E)."""
        tokens = [x.flatten(2).transpose(1, 2) for x in maps]
        x = torch.cat(tokens, dim=1)
        marks = torch.cat([p + mark for p, mark in zip(positions, self.level_embed.unbind())])
        # In main memory on any device: the sizes of levels are read from it.
        spatial_shapes = torch.stack([torch._shape_as_tensor(x)[2:] for x in maps])
        reference_points = torch.cat([pixel_centres(x) for x in maps])[None]
        for layer in self.encoder.layers:
            x = layer(x, marks, spatial_shapes, reference_points)
        return x.split([level.shape[1] for level in tokens], dim=1)


def pixel_centres(image: Tensor) -> Tensor:
    """Centres of an image's (B, C, H, W) pixels: (H * W, 2), x and y in [0, 1], raster order."""
    height, width = image.shape[-2:]
    y = (torch.arange(height, dtype=torch.float32, device=image.device) + 0.5) / height
    x = (torch.arange(width, dtype=torch.float32, device=image.device) + 0.5) / width
    grid = torch.stack((x[None].expand(height, -1), y[:, None].expand(-1, width)), dim=2)
    return grid.flatten(0, 1)


class PixelDecoder(nn.Module):
    """Backbone features to mask features at stride 4 and tokens of strides 32, 16 and 8."""

    def __init__(self, config: Config, channels: dict[str, int]):
        super().__init__()
        dim = config.hidden_dim
        self.dim = dim

        def norm() -> nn.GroupNorm:
            return nn.GroupNorm(config.norm_groups, dim)

        self.input_proj = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels[name], dim, 1), norm()) for name in LEVELS
        )
        self.transformer = Transformer(config)
        self.adapter_1 = Conv2d(channels["res2"], dim, 1, bias=False, norm=norm())
        self.layer_1 = Conv2d(dim, dim, 3, padding=1, bias=False, norm=norm())
        self.mask_features = nn.Conv2d(dim, config.mask_dim, 1)
        for projection, _ in self.input_proj:
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)
        for conv in (self.adapter_1, self.layer_1, self.mask_features):
            nn.init.kaiming_uniform_(conv.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)
        for layer in self.transformer.encoder.layers:
            for linear in (layer.linear1, layer.linear2):
                nn.init.xavier_uniform_(linear.weight)

    def forward(self, features: dict[str, Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Decode ``features``, the backbone's maps by name.

        Returns
        -------
        mask_features : Tensor
            (B, mask_dim, H/4, W/4).
        tokens : list of Tensor
            (B, H*W, E) of strides 32, 16 and 8.
        positions : list of Tensor
            (H*W, E) of the same levels.
        """
        maps = [proj(features[name]) for proj, name in zip(self.input_proj, LEVELS)]
        positions = [sine_positions(x, self.dim) for x in maps]
        tokens = self.transformer(maps, positions)

        finest = tokens[-1].transpose(1, 2).unflatten(2, maps[-1].shape[-2:])
        lateral = self.adapter_1(features["res2"])
        lateral = lateral + F.interpolate(
            finest, size=lateral.shape[-2:], mode="bilinear", align_corners=False
        )
        return self.mask_features(F.relu(self.layer_1(lateral))), tokens, positions
