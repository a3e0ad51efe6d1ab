"""Reading weights that others published: safely, and all or nothing."""

from __future__ import annotations

import collections
import hashlib
import pickle
import types
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor, nn

# Weights of the training loss, which inference does not have.
IGNORED_PREFIX = "criterion."
# What torch's DataParallel puts before the names of what it spreads.
PARALLEL_PREFIX = "module."
# How many batches each BatchNorm has seen; older checkpoints lack it and inference ignores it.
COUNTER_SUFFIX = ".num_batches_tracked"

# What torch.load and pickle raise on bytes that are no checkpoint.
DAMAGE = (
    pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, IndexError, TypeError,
    AttributeError, UnicodeDecodeError,
)  # fmt: skip


class CheckpointError(Exception):
    """The file cannot be read, is not safe to read, or does not fit the model."""


class _UnsafeGlobal(Exception):
    """A pickle refers to something that a checkpoint of weights has no use for."""


class _WeightsUnpickler(pickle.Unpickler):
    """Builds tensors and plain containers, and nothing that could run code.

    It stands in for the one behind ``torch.load(weights_only=True)``, which in torch 1.13 cannot
    read a float and so fails on any checkpoint with optimiser state beside its weights. (Passing
    it as ``pickle_module`` would be no protection: torch 1.13 ignores that argument.)
    """

    ALLOWED = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch", "Size"): torch.Size,
        ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
        ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
    }

    def find_class(self, module: str, name: str):
        if (module, name) in self.ALLOWED:
            return self.ALLOWED[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise _UnsafeGlobal(f"{module}.{name}")


# As torch expects a pickle module.
_WEIGHTS_PICKLE = types.SimpleNamespace(
    __name__="weights_pickle",
    Unpickler=_WeightsUnpickler,
    load=lambda file, **options: _WeightsUnpickler(file, **options).load(),
)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    sha256 = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read the weights in ``path``: as ModelScope, detectron2 or OpenMMLab lay them out, or bare.

    The first two keep the weights under ``model``, the third and SCHP under ``state_dict``;
    whatever lies beside them (optimiser state, iteration count) is ignored. A network that was
    trained on several GPUs has ``module.`` before every name, which is left out.

    Raises
    ------
    CheckpointError
        The file is unreadable, holds objects other than tensors, or holds no weights.
    """
    try:
        with mock.patch.object(torch.serialization, "_weights_only_unpickler", _WEIGHTS_PICKLE):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror or error}") from error
    except _UnsafeGlobal as error:
        raise CheckpointError(
            f"{path}: refused, because it refers to {error}. A checkpoint of weights needs only"
            " tensors; reading anything else can run code hidden in the file. If you trust its"
            " source, load it there and save {'model': state_dict} again"
        ) from error
    except DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        # Torch's own text suggests loading the file unsafely.
        reason = reason.rsplit("WeightsUnpickler error: ", 1)[-1]
        raise CheckpointError(f"{path}: not a torch checkpoint, or damaged ({reason})") from error
    state = None
    if isinstance(content, dict):
        state = content.get("model", content.get("state_dict", content))
    if not isinstance(state, dict) or not any(isinstance(x, Tensor) for x in state.values()):
        raise CheckpointError(
            f"{path}: no weights in it, neither under 'model' or 'state_dict' nor at its top"
        )
    if all(name.startswith(PARALLEL_PREFIX) for name in state):
        state = {name.removeprefix(PARALLEL_PREFIX): x for name, x in state.items()}
    return state


def load_strictly(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Load ``state`` into ``model`` if every tensor fits; loss weights and counters may differ.

    Raises
    ------
    CheckpointError
        Names every missing, surplus, mis-shaped and non-finite tensor; the model is unchanged.
    """
    given = {name: x for name, x in state.items() if not name.startswith(IGNORED_PREFIX)}
    wanted = model.state_dict()
    problems = [
        f"missing: {name} {tuple(x.shape)}"
        for name, x in wanted.items()
        if name not in given and not name.endswith(COUNTER_SUFFIX)
    ]
    for name, x in given.items():
        if not isinstance(x, Tensor):
            problems.append(f"not a tensor: {name} ({type(x).__name__})")
        elif name not in wanted:
            problems.append(f"surplus: {name} {tuple(x.shape)}")
        elif x.shape != wanted[name].shape:
            expected = tuple(wanted[name].shape)
            problems.append(f"mis-shaped: {name} is {tuple(x.shape)}, the model has {expected}")
        elif x.is_floating_point() and not x.isfinite().all():
            problems.append(f"not finite: {name}")
    if problems:
        raise CheckpointError(
            f"the checkpoint does not fit the model: {len(problems)} tensors\n  "
            + "\n  ".join(problems)
        )
    model.load_state_dict(given, strict=False)
