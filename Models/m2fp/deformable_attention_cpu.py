"""Deformable attention with its gradient in C: a third less time a training step on a CPU."""

from __future__ import annotations

import ctypes
from pathlib import Path

import torch
from torch import Tensor

from . import c_library

SOURCE = Path(__file__).with_name("deformable_attention.c")
MOST_SAMPLES = 64  # of a head, over all levels; as in the source


class _Input(ctypes.Structure):
    _fields_ = [
        *((n, ctypes.c_int64) for n in ("batch", "count", "heads", "width", "levels", "points")),
        ("references", ctypes.c_int64),
        *(
            (n, ctypes.c_void_p)
            for n in ("shapes", "value", "reference_points", "offsets", "logits")
        ),
    ]


def _input(value: Tensor, shapes: Tensor, references: Tensor, offsets: Tensor, logits: Tensor):
    tensors = (shapes, value, references, offsets, logits)
    levels, points = offsets.shape[3:5]
    sizes = (*value.shape, levels, points, len(references))
    return ctypes.byref(_Input(*sizes, *(x.data_ptr() for x in tensors)))


class DeformableAttentionCPU(torch.autograd.Function):
    """``deformable_attention`` for tensors in main memory; reference points are fixed.

    Tensors of lower precision are widened, and the result is float32.
    """

    @staticmethod
    def forward(context, value, spatial_shapes, reference_points, sampling_offsets, logits):
        if logits.shape[-1] > MOST_SAMPLES:
            raise ValueError(f"{logits.shape[-1]} samples a head; at most {MOST_SAMPLES}")
        values = (value, reference_points, sampling_offsets, logits)
        value, *rest = (x.float().contiguous() for x in values)
        arguments = (value, spatial_shapes.contiguous(), *rest)
        context.save_for_backward(*arguments)
        result = torch.empty(arguments[0].shape)
        c_library.library(SOURCE).forward(_input(*arguments), ctypes.c_void_p(result.data_ptr()))
        return result.flatten(2)

    @staticmethod
    def backward(context, slope):
        arguments = context.saved_tensors
        value, _, _, offsets, logits = arguments
        slope = slope.contiguous()
        gradients = (torch.zeros_like(value), torch.empty_like(offsets), torch.empty_like(logits))
        c_library.library(SOURCE).backward(
            _input(*arguments),
            *(ctypes.c_void_p(x.data_ptr()) for x in (slope, *gradients)),
        )
        return gradients[0], None, None, *gradients[1:]
