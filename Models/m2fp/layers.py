"""Building blocks that both halves of the network use."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv2d(nn.Conv2d):
    """A convolution with its normalisation as the child ``norm``, as the checkpoints name it."""

    def __init__(self, *args, norm: nn.Module | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)
        return x if self.norm is None else self.norm(x)

    @torch.no_grad()
    def fold_batch_norm(self) -> None:
        """Replace an evaluation-mode BatchNorm by a change of this convolution's weights.

        BatchNorm computes ``(x - mean) / sqrt(var + eps) * gamma + beta``, which is linear, so it
        is a factor on each output channel and a bias.
        """
        norm = self.norm
        if not isinstance(norm, nn.BatchNorm2d):
            return
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        bias = norm.bias - norm.running_mean * factor
        if self.bias is not None:
            bias = bias + self.bias * factor
        self.weight.mul_(factor[:, None, None, None])
        self.bias = nn.Parameter(bias)
        self.norm = None


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, *widths: int):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        return self.layers[-1](x)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention (Vaswani et al. 2017), parameters named as torch's module.

    Written out rather than taken from torch because a query's position is added through the
    projection (``W(x + p) = Wx + Wp``): with constant positions the second term is a constant of
    a frozen archive, and self-attention projects queries, keys and values in one product.
    """

    def __init__(self, dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.scale = 1.0 / math.sqrt(dim // num_heads)
        self.in_proj_weight = nn.Parameter(torch.empty(3 * dim, dim))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * dim))
        self.out_proj = nn.Linear(dim, dim)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def self_attention(self, x: Tensor, positions: Tensor) -> Tensor:
        """Attend among the elements of ``x`` (B, N, E) with ``positions`` (N, E) on q and k."""
        dim = x.shape[-1]
        weight, bias = self.in_proj_weight, self.in_proj_bias
        shift = F.linear(positions, weight[: 2 * dim], bias[: 2 * dim])
        shift = torch.cat((shift, bias[2 * dim :].expand(positions.shape[0], -1)), dim=1)
        query, key, value = (F.linear(x, weight) + shift).chunk(3, dim=-1)
        return self._attend(query, key, value, None)

    def cross_attention(
        self, x: Tensor, positions: Tensor, key: Tensor, value: Tensor, blocked: Tensor
    ) -> Tensor:
        """Attend from ``x`` (B, N, E) with ``positions`` (N, E) to ``key``, ``value`` (B, M, E).

        ``blocked`` (B, N, M) is true where a query must not look; no row may be all true.
        """
        weights = self.in_proj_weight.chunk(3)
        biases = self.in_proj_bias.chunk(3)
        shift = F.linear(positions, weights[0], biases[0])
        query = F.linear(x, weights[0]) + shift
        key = F.linear(key, weights[1], biases[1])
        value = F.linear(value, weights[2], biases[2])
        return self._attend(query, key, value, blocked)

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, blocked: Tensor | None
    ) -> Tensor:
        query, key, value = (
            x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in (query, key, value)
        )
        scores = torch.matmul(query * self.scale, key.transpose(-2, -1))
        if blocked is not None:
            scores = scores.masked_fill(blocked.unsqueeze(1), -math.inf)
        attended = torch.matmul(scores.softmax(dim=-1), value)
        return self.out_proj(attended.transpose(1, 2).flatten(2))


def sine_positions(tokens_of: Tensor, dim: int) -> Tensor:
    """Two-dimensional sine positions, normalised to one turn over the map (Carion et al. 2020).

    Parameters
    ----------
    tokens_of : Tensor
        A feature map (B, C, H, W); only its size is used.
    dim : int
        Width of a position: one half encodes the row, the other the column.

    Returns
    -------
    Tensor
        (H * W, dim), rows in raster order.
    """
    height, width = tokens_of.shape[-2:]
    count = dim // 2
    index = torch.arange(count, dtype=torch.float32, device=tokens_of.device)
    wavelength = torch.pow(10000.0, 2 * torch.div(index, 2, rounding_mode="floor") / count)

    def axis(size) -> Tensor:
        place = torch.arange(1, size + 1, dtype=torch.float32, device=tokens_of.device)
        phase = (place / (place[-1:] + 1e-6) * (2 * math.pi))[:, None] / wavelength
        return torch.stack((phase[:, 0::2].sin(), phase[:, 1::2].cos()), dim=2).flatten(1)

    rows = axis(height)[:, None].expand(-1, width, -1)
    columns = axis(width)[None].expand(height, -1, -1)
    return torch.cat((rows, columns), dim=2).flatten(0, 1)
