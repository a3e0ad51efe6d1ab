"""Multi-scale deformable attention (Zhu et al. 2021), eqs. 2 and 3, and its operator.

The operator ``m2fp::deformable_attention`` keeps softmax, sampling locations and bilinear
sampling in one node of an exported graph, so that a runtime can put one fused kernel there. Its
schema is fixed:

    m2fp::deformable_attention(Tensor value, Tensor spatial_shapes, Tensor reference_points,
                               Tensor sampling_offsets, Tensor attention_logits) -> Tensor

==================  =======================  =====================================================
value               (B, S, heads, d)         float32; the tokens of all levels, one after another
spatial_shapes      (L, 2)                   int64 in main memory; rows are (height, width)
reference_points    (B or 1, S, 2)           float32; x, y in [0, 1] of each query, for all levels
sampling_offsets    (B, S, heads, L, P, 2)   float32; x, y in pixels of the level sampled
attention_logits    (B, S, heads, L * P)     float32; softmax over the last axis happens inside
result              (B, S, heads * d)        float32
==================  =======================  =====================================================

Pixel centres lie at half-integers (``grid_sample`` with ``align_corners=False``), and what lies
outside a level counts as zero. Tensors may be non-contiguous.

In Python the operator is this module's composition of ATen operators: it defines the result.
Training differentiates it, or on a CPU the faster ``deformable_attention_cpu``.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .deformable_attention_cpu import DeformableAttentionCPU


def deformable_attention(
    value: Tensor,
    spatial_shapes: Tensor,
    reference_points: Tensor,
    sampling_offsets: Tensor,
    attention_logits: Tensor,
) -> Tensor:
    """The operator's definition in ATen operators; shapes as in the module's table."""
    _, _, heads, levels, points, _ = sampling_offsets.shape
    weights = attention_logits.softmax(dim=-1).unflatten(-1, (levels, points))
    scale = spatial_shapes.flip(1).to(reference_points)
    locations = reference_points[:, :, None, None, None] + sampling_offsets / scale[:, None]
    # Head by head: (B * heads, S, L, P, ...)
    grid = (2 * locations - 1).transpose(1, 2).flatten(0, 1)
    weights = weights.transpose(1, 2).flatten(0, 1)
    value = value.permute(0, 2, 3, 1).flatten(0, 1)

    result = 0
    start = 0
    for level in range(levels):
        height, width = spatial_shapes[level, 0], spatial_shapes[level, 1]
        end = start + height * width
        image = value[:, :, start:end].unflatten(2, (height, width))
        sampled = F.grid_sample(image, grid[:, :, level], align_corners=False)
        result = result + (sampled * weights[:, None, :, level]).sum(-1)
        start = end
    # (B * heads, d, S) -> (B, S, heads * d)
    return result.unflatten(0, (-1, heads)).flatten(1, 2).transpose(1, 2)


_library = torch.library.Library("m2fp", "DEF")
_library.define(
    "deformable_attention(Tensor value, Tensor spatial_shapes, Tensor reference_points,"
    " Tensor sampling_offsets, Tensor attention_logits) -> Tensor"
)
_library.impl("deformable_attention", deformable_attention, "CompositeExplicitAutograd")


class DeformableAttention(nn.Module):
    """Each query reads a few learned places of every level instead of all of them.

    Attributes
    ----------
    portable : bool
        Use plain ATen operators even where no gradient is needed, so that an exported archive
        loads in any TorchScript runtime.
    """

    def __init__(self, dim: int, num_heads: int, num_levels: int, num_points: int):
        super().__init__()
        self.num_heads = num_heads
        self.num_levels = num_levels
        self.num_points = num_points
        self.portable = False
        samples = num_heads * num_levels * num_points
        self.sampling_offsets = nn.Linear(dim, 2 * samples)
        self.attention_weights = nn.Linear(dim, samples)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        """Head k first looks in direction k, its point p at distance p + 1 (Zhu et al., A.3)."""
        angle = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        direction = torch.stack((angle.cos(), angle.sin()), dim=1)
        direction = direction / direction.abs().amax(dim=1, keepdim=True)
        distance = torch.arange(1.0, self.num_points + 1)
        offsets = direction[:, None, None] * distance[:, None]
        offsets = offsets.expand(-1, self.num_levels, -1, -1)
        nn.init.zeros_(self.sampling_offsets.weight)
        self.sampling_offsets.bias.copy_(offsets.flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for projection in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(
        self, query: Tensor, tokens: Tensor, spatial_shapes: Tensor, reference_points: Tensor
    ) -> Tensor:
        """Update ``query`` (B, S, E) from ``tokens`` (B, S, E), the levels one after another."""
        levels, points = self.num_levels, self.num_points
        value = self.value_proj(tokens).unflatten(-1, (self.num_heads, -1))
        offsets = self.sampling_offsets(query)
        offsets = offsets.unflatten(-1, (self.num_heads, levels, points, 2))
        logits = self.attention_weights(query).unflatten(-1, (self.num_heads, levels * points))
        if not torch.is_grad_enabled() and not self.portable:
            operator = torch.ops.m2fp.deformable_attention
        elif value.requires_grad and value.device.type == "cpu":
            operator = DeformableAttentionCPU.apply
        else:
            operator = deformable_attention
        return self.output_proj(operator(value, spatial_shapes, reference_points, offsets, logits))
