"""Muon: momentum whose matrices are made orthogonal before they are applied (Jordan et al. 2024).

Every direction of a weight matrix then moves at the same pace, the rare ones as fast as the common.
torch.optim.Muon does the same, but takes no kernels of 1 x 1 convolutions, which are matrices too.
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


def orthogonalise(matrices: Tensor) -> Tensor:
    """Nearly U V^T of each matrix (B, M, N) = U S V^T, by Newton and Schulz's iteration."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.transpose(-2, -1)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(STEPS):
        gram = x @ x.transpose(-2, -1)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.transpose(-2, -1)


class Muon(torch.optim.Optimizer):
    """Steps of Nesterov's momentum, made orthogonal, for weights of which `is_matrix` is true.

    Parameters
    ----------
    groups : list of dict
        As torch's optimisers take them, each with ``params`` and ``lr``.
    momentum, weight_decay : float
        Both as in AdamW: the decay is decoupled from the gradient.
    half : bool
        Make matrices orthogonal in bfloat16, as Jordan does: for devices that compute in it.
    """

    def __init__(
        self,
        groups: list[dict],
        momentum: float = 0.95,
        weight_decay: float = 0.02,
        half: bool = False,
    ):
        super().__init__(groups, {"momentum": momentum, "weight_decay": weight_decay})
        self.half = half

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            # Those of one shape together: a device would spend its time on starting small products.
            shapes: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    shapes.setdefault(weight.shape[:2], []).append(weight)
            for weights in shapes.values():
                self._change(weights, group)

    def _change(self, weights: list[Tensor], group: dict) -> None:
        gradients = torch.stack([weight.grad.flatten(1) for weight in weights])
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(gradients[0])
        momenta = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients.unbind(), alpha=1 - group["momentum"])
        updates = gradients.lerp(torch.stack(momenta), group["momentum"])
        updates = orthogonalise(updates.bfloat16() if self.half else updates).to(gradients)
        size = UPDATE_SIZE * max(gradients.shape[1:]) ** 0.5
        torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        updates = [update.reshape(weight.shape) for update, weight in zip(updates, weights)]
        torch._foreach_add_(weights, updates, alpha=-group["lr"] * size)
