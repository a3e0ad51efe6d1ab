"""The deformable attention operator, against its formula sampled one place at a time."""

import math
import unittest
from unittest import mock

import torch

from m2fp.deformable_attention import DeformableAttention, deformable_attention
from m2fp.deformable_attention_cpu import DeformableAttentionCPU

SHAPES = ((2, 3), (4, 5), (7, 6))


def inputs(batch=1, heads=2, dim=4, points=3, spread=2.0):
    torch.manual_seed(0)
    count = sum(h * w for h, w in SHAPES)
    return (
        torch.randn(batch, count, heads, dim),
        torch.tensor(SHAPES),
        torch.rand(batch, count, 2),
        spread * torch.randn(batch, count, heads, len(SHAPES), points, 2),
        torch.randn(batch, count, heads, len(SHAPES) * points),
    )


def by_definition(value, shapes, reference_points, offsets, logits):
    """Bilinear interpolation spelt out; a neighbour outside its level counts as zero."""
    batch, count, heads, dim = value.shape
    levels, points = offsets.shape[3:5]
    result = torch.zeros(batch, count, heads, dim, dtype=torch.float64)
    weights = logits.double().softmax(-1)
    for b, s, head in torch.cartesian_prod(*map(torch.arange, (batch, count, heads))).tolist():
        start = 0
        for level, (height, width) in enumerate(shapes.tolist()):
            for point in range(points):
                x, y = reference_points[b, s].double().tolist()
                dx, dy = offsets[b, s, head, level, point].double().tolist()
                x, y = x * width + dx - 0.5, y * height + dy - 0.5
                left, top = math.floor(x), math.floor(y)
                weight = weights[b, s, head, level * points + point]
                for column, row in ((0, 0), (1, 0), (0, 1), (1, 1)):
                    u, v = left + column, top + row
                    if 0 <= u < width and 0 <= v < height:
                        share = (1 - abs(x - u)) * (1 - abs(y - v))
                        source = value[b, start + v * width + u, head].double()
                        result[b, s, head] += weight * share * source
            start += height * width
    return result.flatten(2).float()


class Operator(unittest.TestCase):
    def test_equals_the_definition(self):
        arguments = inputs(batch=2)
        expected = by_definition(*arguments)
        torch.testing.assert_close(deformable_attention(*arguments), expected)
        torch.testing.assert_close(torch.ops.m2fp.deformable_attention(*arguments), expected)

    def test_far_outside_is_zero(self):
        value, shapes, points, offsets, logits = inputs()
        result = deformable_attention(value, shapes, points, offsets + 100, logits)
        self.assertEqual(result.abs().max().item(), 0)

    def test_one_reference_for_the_whole_batch(self):
        value, shapes, points, offsets, logits = inputs(batch=2)
        one = deformable_attention(value, shapes, points[:1], offsets, logits)
        both = deformable_attention(value, shapes, points[:1].expand(2, -1, -1), offsets, logits)
        torch.testing.assert_close(one, both)

    def test_schema_is_the_one_the_runtime_registers(self):
        schema = torch._C._get_schema("m2fp::deformable_attention", "")
        self.assertEqual(
            str(schema),
            "m2fp::deformable_attention(Tensor value, Tensor spatial_shapes,"
            " Tensor reference_points, Tensor sampling_offsets, Tensor attention_logits) -> Tensor",
        )


class OperatorInC(unittest.TestCase):
    def test_result_and_gradients_are_those_of_the_definition(self):
        for batch, references in ((1, 1), (2, 2), (2, 1)):
            value, shapes, points, offsets, logits = inputs(batch, dim=5)
            points = points[:references]
            slope = torch.randn(batch, value.shape[1], 10)
            found = []
            for operator in (deformable_attention, DeformableAttentionCPU.apply):
                learned = [x.clone().requires_grad_() for x in (value, offsets, logits)]
                result = operator(learned[0], shapes, points, *learned[1:])
                found.append([result, *torch.autograd.grad(result, learned, slope)])
            for definition, ours in zip(*found):
                torch.testing.assert_close(ours, definition, atol=1e-5, rtol=1e-4)

    def test_training_on_a_cpu_uses_it(self):
        value, shapes, points, _, _ = inputs()
        tokens = value.flatten(2)
        module = DeformableAttention(8, 2, len(SHAPES), 3)
        apply = DeformableAttentionCPU.apply
        with mock.patch.object(DeformableAttentionCPU, "apply", side_effect=apply) as used:
            module(tokens, tokens, shapes, points)
        used.assert_called_once()


class Module(unittest.TestCase):
    def test_gradients_flow_where_they_are_wanted(self):
        value, shapes, points, _, _ = inputs()
        module = DeformableAttention(8, 2, len(SHAPES), 3)
        tokens = value.flatten(2)
        module(tokens, tokens, shapes, points).sum().backward()
        self.assertGreater(module.sampling_offsets.weight.grad.abs().sum().item(), 0)
        self.assertGreater(module.attention_weights.weight.grad.abs().sum().item(), 0)

    def test_traced_portably_it_has_no_operator_of_ours(self):
        value, shapes, points, _, _ = inputs()
        tokens = value.flatten(2)
        module = DeformableAttention(8, 2, len(SHAPES), 3).eval()
        for portable in (False, True):
            module.portable = portable
            with torch.no_grad():
                traced = torch.jit.trace(
                    module, (tokens, tokens, shapes, points), check_trace=False
                )
            self.assertEqual("m2fp::" in str(traced.inlined_graph), not portable)


if __name__ == "__main__":
    unittest.main()
