"""Turn a checkpoint of a dense network into a TorchScript archive with its contract inside.

SegFormer: Hugging Face's `pytorch_model.bin`, with its `config.json` for the names of the classes.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from pathlib import Path

try:
    import torch
except ImportError:
    sys.exit(
        f"export_dense: {sys.executable} has no torch. Install Debian's, which matches the runtime"
        " that m2fp links: apt-get install python3-torch, and run this with /usr/bin/python3"
    )

from dense import segformer
from m2fp import archive, checkpoint
from m2fp.contract import make_dense_contract

# ImageNet's, of levels up to 255: what the published weights were trained with.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
# On logits.
TOLERANCE = 1e-4


class ExportError(Exception):
    """What was given cannot be exported; the message says why."""


def read_classes(path: Path) -> list[str]:
    """The names of the classes in a `config.json` of Hugging Face, in the order of the logits."""
    try:
        labels = json.loads(path.read_text())["id2label"]
        names = [labels[str(index)] for index in range(len(labels))]
    except (ValueError, KeyError, TypeError) as error:
        raise ExportError(f"{path}: no names of classes under 'id2label' ({error})") from error
    return names


@torch.no_grad()
def freeze(network: torch.nn.Module, size: int) -> torch.jit.ScriptModule:
    """Trace a network for square inputs, and prove that it computes the same."""
    image = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        frozen = torch.jit.freeze(torch.jit.trace(network.eval(), image, check_trace=False))
    other = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
    difference = (frozen(other) - network(other)).abs().max().item()
    if not difference <= TOLERANCE:
        raise ExportError(f"the archive's logits differ from the network's by {difference:.2g}")
    return frozen


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, choices=segformer.CONFIGS, help="the network")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path, help="weights: pytorch_model.bin")
    source.add_argument("--seed", type=int, help="random weights instead, for tests and timings")
    parser.add_argument(
        "--labels", type=Path, required=True, help="config.json with the names of the classes"
    )
    parser.add_argument("--size", type=int, default=512, help="side of the input (default: 512)")
    parser.add_argument("--licence", required=True, help="SPDX identifier of the weights' licence")
    parser.add_argument("--out", type=Path, required=True, help="the archive to write")
    return parser.parse_args()


def export(arguments: argparse.Namespace) -> None:
    classes = read_classes(arguments.labels)
    if arguments.size % 32:
        raise ExportError("--size is a multiple of 32")
    torch.manual_seed(arguments.seed or 0)
    network = segformer.SegFormer(segformer.CONFIGS[arguments.config], len(classes))
    source = f"seed:{arguments.seed}"
    if arguments.checkpoint is not None:
        state = checkpoint.read_state_dict(arguments.checkpoint)
        checkpoint.load_strictly(network, state)
        source = checkpoint.digest(arguments.checkpoint)
    preprocess = {
        "mode": "stretch", "width": arguments.size, "height": arguments.size, "divisor": 32,
        "mean": list(MEAN), "std": list(STD),
    }  # fmt: skip
    contract = make_dense_contract(
        arguments.config, classes, preprocess, segformer.STRIDE, False, source, arguments.licence,
        torch.__version__,
    )  # fmt: skip
    with archive.AtomicFile(arguments.out) as file:
        archive.save_archive(freeze(network, arguments.size), contract, file.temporary)
        file.commit()
    megabytes = arguments.out.stat().st_size / 1e6
    print(f"wrote {arguments.out} ({arguments.config}, {len(classes)} classes, {megabytes:.1f} MB)")


def main() -> int:
    arguments = parse_arguments()
    try:
        export(arguments)
    except (checkpoint.CheckpointError, ExportError) as error:
        print(f"export_dense: {error}; nothing was written", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"export_dense: {error.filename or arguments.out}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
