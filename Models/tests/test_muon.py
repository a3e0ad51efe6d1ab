from __future__ import annotations

import unittest

import torch

from m2fp.muon import Muon, is_matrix, orthogonalise


class MuonTests(unittest.TestCase):
    def test_matrices_come_near_the_orthogonal_one_of_their_singular_vectors(self):
        torch.manual_seed(0)
        for shape in ((24, 96), (96, 24), (64, 64)):
            # Singular values far apart, none so small that five steps leave it out.
            u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
            matrix = u @ torch.diag(torch.linspace(0.1, 3, len(v))) @ v
            result = orthogonalise(matrix[None])[0]
            values = torch.linalg.svdvals(result)
            self.assertGreater(values.min(), 0.6)
            self.assertLess(values.max(), 1.3)
            # Same directions: in the basis of the singular vectors it is diagonal.
            inner = u.T @ result @ v.T
            self.assertLess((inner - torch.diag(inner.diag())).abs().max(), 1e-3)

    def test_kernels_of_one_pixel_are_matrices(self):
        self.assertTrue(is_matrix(torch.zeros(96, 96)))
        self.assertTrue(is_matrix(torch.zeros(96, 64, 1, 1)))
        self.assertFalse(is_matrix(torch.zeros(96, 64, 3, 3)))
        self.assertFalse(is_matrix(torch.zeros(96)))
        self.assertFalse(is_matrix(torch.zeros(1, 96)))

    def test_a_least_squares_problem_is_solved(self):
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.zeros(16, 32, 1, 1))
        wanted, inputs = torch.randn(16, 32), torch.randn(256, 32)
        optimiser = Muon([{"params": [weight], "lr": 0.05}], weight_decay=0.0)

        def loss():
            return (inputs @ (weight.flatten(1) - wanted).T).square().mean()

        before = loss().item()
        for step in range(400):
            optimiser.param_groups[0]["lr"] = 0.05 * (1 - step / 400)
            weight.grad = None
            loss().backward()
            optimiser.step()
        self.assertLess(loss().item(), 1e-3 * before)


if __name__ == "__main__":
    unittest.main()
