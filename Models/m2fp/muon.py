"""Muon: momentum whose matrices are made orthogonal before they are applied (Jordan et al. 2024).

Every direction of a weight matrix then moves at the same pace, the rare ones as fast as the common.
torch.optim.Muon does the same in bfloat16, which these CPUs only emulate, and takes no kernels of
1 x 1 convolutions, which are matrices too.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of Jordan's iteration: five steps bring every singular value near 1.
STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
# Updates as large as AdamW's, so that one learning rate serves both (Liu et al. 2025,
# "Muon is scalable for LLM training", eq. 4).
UPDATE_SIZE = 0.2
SMALLEST_SIDE = 16


def is_matrix(weight: Tensor) -> bool:
    """Whether Muon takes a weight: a linear layer's, or a 1 x 1 convolution's of many channels."""
    return (
        weight.ndim in (2, 4)
        and weight.shape[2:].numel() == 1
        and min(weight.shape[:2]) >= SMALLEST_SIDE
    )


def orthogonalise(matrix: Tensor) -> Tensor:
    """Nearly U V^T of a matrix (M, N) = U S V^T, by Newton and Schulz's iteration."""
    x = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    x = x / (x.norm() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


class Muon(torch.optim.Optimizer):
    """Steps of Nesterov's momentum, made orthogonal, for weights of which `is_matrix` is true.

    Parameters
    ----------
    groups : list of dict
        As torch's optimisers take them, each with ``params`` and ``lr``.
    momentum, weight_decay : float
        Both as in AdamW: the decay is decoupled from the gradient.
    """

    def __init__(self, groups: list[dict], momentum: float = 0.95, weight_decay: float = 0.02):
        super().__init__(groups, {"momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._change(weight, group)

    def _change(self, weight: Tensor, group: dict) -> None:
        gradient = weight.grad.flatten(1)
        state = self.state[weight]
        if not state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1 - group["momentum"])
        update = orthogonalise(gradient.lerp(state["momentum"], group["momentum"]))
        size = UPDATE_SIZE * max(gradient.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update.reshape(weight.shape), alpha=-group["lr"] * size)
