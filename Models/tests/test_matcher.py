import itertools
import unittest

import torch

from m2fp.matcher import UNMATCHED, Weights, match, pairwise_cross_entropy, pairwise_dice


def random_case(seed: int, queries: int, targets: int, layers=2, images=3, points=40):
    generator = torch.Generator().manual_seed(seed)
    chances = torch.rand(layers, images, queries, generator=generator)
    logits = 3 * torch.randn(layers, images, queries, points, generator=generator)
    masks = (torch.rand(images, targets, points, generator=generator) < 0.4).float()
    return chances, logits, masks


def pair_cost(chance, logits, mask, weights) -> float:
    """The cost of one pair, written out from the formulas."""
    s, t = logits.double().sigmoid(), mask.double()
    entropy = -(t * s.log() + (1 - t) * (1 - s).log()).mean().item()
    dice = 1 - (2 * (s * t).sum() + 1) / (s.sum() + t.sum() + 1)
    return -weights.classes * chance.item() + weights.mask * entropy + weights.dice * dice.item()


class MatchTests(unittest.TestCase):
    def test_no_other_assignment_is_cheaper(self):
        weights = Weights(2.0, 5.0, 3.0)
        chances, logits, masks = random_case(0, queries=5, targets=3)
        counts = [3, 1, 2]
        result = match(chances, logits, masks, counts, weights)
        for layer, image in itertools.product(range(2), range(3)):

            def total(choice) -> float:
                return sum(
                    pair_cost(
                        chances[layer, image, q], logits[layer, image, q], masks[image, t], weights
                    )
                    for t, q in enumerate(choice)
                )

            chosen = result[layer, image, : counts[image]].tolist()
            cheapest = min(map(total, itertools.permutations(range(5), counts[image])))
            self.assertAlmostEqual(total(chosen), cheapest, places=4)

    def test_padding_stays_unmatched(self):
        result = match(*random_case(1, queries=4, targets=3), [3, 0, 1], Weights())
        self.assertTrue((result[:, 0] != UNMATCHED).all())
        self.assertTrue((result[:, 1] == UNMATCHED).all())
        self.assertTrue((result[:, 2, 1:] == UNMATCHED).all())

    def test_more_targets_than_queries_and_none(self):
        result = match(*random_case(5, queries=2, targets=6), [6, 6, 6], Weights())
        for row in result.flatten(0, 1):
            self.assertEqual(sorted(row[row != UNMATCHED].tolist()), [0, 1])
        nothing = match(*random_case(6, queries=4, targets=0), [0, 0, 0], Weights())
        self.assertEqual(nothing.shape, (2, 3, 0))

    def test_pairwise_losses_are_finite_far_from_zero(self):
        logits = torch.tensor([[200.0, -200.0]])
        masks = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        entropy = pairwise_cross_entropy(logits, masks)
        self.assertTrue(torch.allclose(entropy, torch.tensor([[0.0, 200.0]])))
        self.assertTrue(torch.allclose(pairwise_dice(logits, masks), torch.tensor([[0.0, 2 / 3]])))


if __name__ == "__main__":
    unittest.main()
