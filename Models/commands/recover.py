"""Turn an archive back into the checkpoint it was made from, so that training can go on from it.

Halved weights stay rounded, and folded BatchNorms stay folded.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from m2fp import archive
from m2fp.config import CONFIGS
from m2fp.layers import MultiHeadAttention
from m2fp.model import M2FP

TOLERANCE = 1e-3  # of logits


class RecoveryError(Exception):
    """The archive does not hold this network, or not in the way this torch would write it."""


@torch.no_grad()
def recover(module: torch.jit.ScriptModule, model: M2FP) -> None:
    """Give ``model`` the weights of ``module``, an archive of the same network.

    Freezing renames weights, cuts some and computes with others. So a network of random weights
    is frozen in the same way: where a run of them stands in its constants, the constant at the
    same place of the archive has the values of that run.

    Raises
    ------
    RecoveryError
        A weight is nowhere to be found, or the networks differ; ``model`` is then of no use.
    """
    archive.prepare(model)
    # No number twice, or one weight would be taken for another: floats of successive bits, shuffled.
    sizes = [x.numel() for x in model.parameters()]
    numbers = (torch.randperm(sum(sizes), dtype=torch.int32) + 0x3C00_0000).view(torch.float32)
    for parameter, values in zip(model.parameters(), numbers.split(sizes)):
        parameter.copy_(values.view_as(parameter))
    random = copy.deepcopy(model)
    with tempfile.TemporaryDirectory() as folder:  # a written graph has an order of its own
        path = Path(folder) / "random.pt"
        archive.save_archive(archive.freeze(random), None, path)
        constants = archive.constants(archive.load_archive(path)[0])
    given = archive.constants(module)
    if [x.shape for x in constants] != [x.shape for x in given]:
        raise RecoveryError(
            "it was made from another network, or by another version of this code or of torch"
        )
    pairs = list(zip(constants, given))
    for parameter, at_random in zip(model.parameters(), random.parameters()):
        parameter.copy_(look_up(at_random, pairs))
    for layer, at_random in zip(cross_attentions(model), cross_attentions(random)):
        recover_query_bias(layer, at_random, places(model), places(random), pairs)
    for name, parameter in model.named_parameters():
        if parameter.isnan().any():
            raise RecoveryError(f"{name} is not in it")


def look_up(at_random: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """A weight's values from the constants that hold runs of it; NaN where none does."""
    flat = at_random.flatten()
    found = torch.full_like(flat, torch.nan)
    for ours, theirs in pairs:
        for start in (flat == ours.flatten()[0]).nonzero().flatten().tolist():
            run = slice(start, start + ours.numel())
            if torch.equal(flat[run], ours.flatten()):
                found[run] = theirs.flatten()
    return found.view_as(at_random)


def cross_attentions(model: M2FP) -> list[MultiHeadAttention]:
    layers = model.sem_seg_head.predictor.transformer_cross_attention_layers
    return [layer.multihead_attn for layer in layers]


def places(model: M2FP) -> Tensor:
    return model.sem_seg_head.predictor.query_embed.weight


def recover_query_bias(
    layer: MultiHeadAttention,
    at_random: MultiHeadAttention,
    positions: Tensor,
    random_positions: Tensor,
    pairs: list[tuple[Tensor, Tensor]],
) -> None:
    """Fill in the bias of the query projection, which freezing adds to the projected positions."""
    dim = positions.shape[1]
    sum_at_random = F.linear(
        random_positions, at_random.in_proj_weight[:dim], at_random.in_proj_bias[:dim]
    )
    for ours, theirs in pairs:
        if ours.shape == sum_at_random.shape and torch.allclose(ours, sum_at_random, atol=1e-3):
            projected = F.linear(positions, layer.in_proj_weight[:dim])
            layer.in_proj_bias[:dim] = (theirs - projected).mean(0)


@torch.no_grad()
def difference(module: torch.nn.Module, model: M2FP) -> float:
    """Largest difference of the two networks' logits on seeded noise."""
    image = torch.rand(1, 3, 128, 192, generator=torch.Generator().manual_seed(0))
    return max((a - b).abs().max().item() for a, b in zip(module(image), model(image)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True, help="what export wrote")
    parser.add_argument("--out", type=Path, required=True, help="the checkpoint to write")
    arguments = parser.parse_args()
    module, contract = archive.load_archive(arguments.archive)
    if contract is None:
        print(f"recover: {arguments.archive}: no contract inside", file=sys.stderr)
        return 1
    model = M2FP(CONFIGS[contract["model"]])
    try:
        recover(module, model)
        moved = difference(module, model)
        if not moved <= TOLERANCE:
            raise RecoveryError(f"the recovered network's logits differ by {moved:.2g}")
    except RecoveryError as error:
        print(f"recover: {arguments.archive}: {error}", file=sys.stderr)
        return 1
    torch.save({"model": model.state_dict()}, arguments.out)
    print(f"wrote {arguments.out}: logits differ from the archive's by at most {moved:.2g}")
    return 0
