"""Turn a checkpoint into a TorchScript archive with its contract inside, for the m2fp command."""

from __future__ import annotations

import argparse
import copy
import sys
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit(
        f"export: {sys.executable} has no torch. Install Debian's, which matches the runtime that"
        " m2fp links: apt-get install python3-torch, and run this with /usr/bin/python3"
    )

from m2fp import archive, checkpoint
from m2fp.config import CONFIGS
from m2fp.contract import CLASSES, for_dataset, make_contract
from m2fp.model import M2FP

# Height and width; none is the size that the network is traced at.
PROOF_SIZES = ((96, 64), (64, 128), (160, 128), (128, 224), (256, 192), (192, 320))
# On class and mask logits.
TOLERANCE = 1e-4


class ProofError(Exception):
    """The archive computes something other than the network it was made from."""


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, choices=CONFIGS, help="the network")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, help="weights: ModelScope's or upstream's file")
    source.add_argument("--seed", type=int, help="random weights instead, for tests and timings")
    parser.add_argument("--out", type=Path, required=True, help="the archive to write")
    parser.add_argument(
        "--dataset",
        choices=CLASSES,
        default="cihp",
        help="what it was trained on: cihp is multi-person, lip single-person (default: cihp)",
    )
    parser.add_argument(
        "--half", action="store_true", help="store weights in half precision: half the file size"
    )
    parser.add_argument(
        "--portable",
        action="store_true",
        help="only ATen operators, so that any TorchScript runtime loads the archive; slower",
    )
    parser.add_argument(
        "--licence", help="SPDX identifier for the contract (default: that of the configuration)"
    )
    return parser.parse_args()


@torch.no_grad()
def difference(archived: torch.nn.Module, network: torch.nn.Module) -> tuple[float, float]:
    """Largest absolute difference of the logits over ``PROOF_SIZES``, and the largest logit.

    The images are seeded noise, smooth and rough.
    """
    generator = torch.Generator().manual_seed(0)
    largest = scale = 0.0
    for height, width in PROOF_SIZES:
        image = torch.randn(1, 3, height // 16, width // 16, generator=generator)
        image = torch.nn.functional.interpolate(image, scale_factor=16, mode="bicubic")
        image = image + 0.3 * torch.randn(1, 3, height, width, generator=generator)
        for ours, theirs in zip(archived(image), network(image)):
            if ours.shape != theirs.shape:
                raise ProofError(f"{height}x{width} gives a shape of {tuple(ours.shape)}")
            if not ours.isfinite().all():
                raise ProofError(f"{height}x{width} gives values that are not finite")
            largest = max(largest, (ours - theirs).abs().max().item())
            scale = max(scale, theirs.abs().max().item())
    return largest, scale


def export(arguments: argparse.Namespace) -> None:
    config = for_dataset(CONFIGS[arguments.config], arguments.dataset)
    if arguments.checkpoint is None:
        torch.manual_seed(arguments.seed)
        model = M2FP(config)
        source = f"seed:{arguments.seed}"
    else:
        state = checkpoint.read_state_dict(arguments.checkpoint)
        source = checkpoint.digest(arguments.checkpoint)
        model = M2FP(config)
        checkpoint.load_strictly(model, state)
    contract = make_contract(
        config, arguments.dataset, source, arguments.licence or config.licence, torch.__version__
    )
    archive.prepare(model, portable=arguments.portable)
    if arguments.half:
        exact = copy.deepcopy(model)
        archive.prepare(model, half=True, portable=arguments.portable)
        moved, scale = difference(model, exact)
        print(f"half precision moves logits by up to {moved:.2g} (largest logit {scale:.2g})")
    with archive.AtomicFile(arguments.out) as file:
        archive.save_archive(archive.freeze(model, arguments.half), contract, file.temporary)
        written, _ = archive.load_archive(file.temporary)
        proven, _ = difference(written, model)
        print(
            f"archive against network at {len(PROOF_SIZES)} sizes it was not traced at:"
            f" largest difference of logits {proven:.2g} (at most {TOLERANCE:g})"
        )
        if not proven <= TOLERANCE:
            raise ProofError("the archive's logits differ from the network's")
        file.commit()
    megabytes = arguments.out.stat().st_size / 1e6
    print(f"wrote {arguments.out} ({config.name}, {arguments.dataset}, {megabytes:.1f} MB)")
    if arguments.checkpoint is not None and not contract["commercial_use"]:
        print(
            f"These weights are licensed {contract['licence']}: no commercial use."
            " The archive records that."
        )


def main() -> int:
    arguments = parse_arguments()
    try:
        export(arguments)
    except (checkpoint.CheckpointError, ProofError, OverflowError) as error:
        print(f"export: {error}; nothing was written", file=sys.stderr)
    except OSError as error:
        print(f"export: {error.filename or arguments.out}: {error.strerror}", file=sys.stderr)
    else:
        return 0
    return 1
