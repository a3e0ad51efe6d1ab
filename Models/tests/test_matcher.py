import itertools
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from m2fp.matcher import Targets, Weights, match, pairwise_cross_entropy, pairwise_dice


def random_case(seed: int, queries: int, count: int, points: int = 40):
    generator = torch.Generator().manual_seed(seed)
    class_logits = torch.randn(queries, 6, generator=generator)
    mask_logits = 3 * torch.randn(queries, points, generator=generator)
    labels = torch.randint(0, 5, (count,), generator=generator)
    masks = (torch.rand(count, points, generator=generator) < 0.4).float()
    return class_logits, mask_logits, Targets(labels, masks)


def pair_cost(class_logits, mask_logits, targets, weights, query, target) -> float:
    """The cost of one pair, written out from the formulas."""
    chance = class_logits[query].softmax(0)[targets.labels[target]].item()
    s, t = mask_logits[query].double().sigmoid(), targets.masks[target].double()
    entropy = -(t * s.log() + (1 - t) * (1 - s).log()).mean().item()
    dice = 1 - (2 * (s * t).sum() + 1) / (s.sum() + t.sum() + 1)
    return -weights.classes * chance + weights.mask * entropy + weights.dice * dice.item()


class MatchTests(unittest.TestCase):
    def test_no_other_assignment_is_cheaper(self):
        weights = Weights(2.0, 5.0, 3.0)
        for seed in range(10):
            case = random_case(seed, queries=5, count=3)
            queries, matched = match(*case, weights)
            self.assertEqual(sorted(matched.tolist()), [0, 1, 2])
            cost = sum(
                pair_cost(*case, weights, q, t) for q, t in zip(queries.tolist(), matched.tolist())
            )
            cheapest = min(
                sum(pair_cost(*case, weights, q, t) for t, q in enumerate(choice))
                for choice in itertools.permutations(range(5), 3)
            )
            self.assertAlmostEqual(cost, cheapest, places=4)

    def test_a_query_answers_only_for_its_classes(self):
        class_logits, mask_logits, targets = random_case(3, queries=5, count=4)
        targets = Targets(torch.tensor([0, 1, 4, 4]), targets.masks)
        allowed = torch.zeros(5, 5, dtype=torch.bool)
        allowed[0, 0] = allowed[1, 1] = True
        allowed[2:, 4] = True
        queries, matched = match(class_logits, mask_logits, targets, Weights(), allowed)
        answers = dict(zip(matched.tolist(), queries.tolist()))
        self.assertEqual((answers[0], answers[1]), (0, 1))
        self.assertEqual(len({answers[2], answers[3]} & {2, 3, 4}), 2)

    def test_a_target_that_no_query_may_answer_stays_unmatched(self):
        class_logits, mask_logits, targets = random_case(4, queries=3, count=2)
        targets = Targets(torch.tensor([0, 1]), targets.masks)
        allowed = torch.zeros(3, 5, dtype=torch.bool)
        allowed[:, 0] = True
        _, matched = match(class_logits, mask_logits, targets, Weights(), allowed)
        self.assertEqual(matched.tolist(), [0])

    def test_more_targets_than_queries_and_none(self):
        queries, matched = match(*random_case(5, queries=2, count=6), Weights())
        self.assertEqual((len(set(queries.tolist())), len(set(matched.tolist()))), (2, 2))
        queries, matched = match(*random_case(6, queries=4, count=0), Weights())
        self.assertEqual((len(queries), len(matched)), (0, 0))

    def test_pairwise_losses_are_finite_far_from_zero(self):
        logits = torch.tensor([[200.0, -200.0]])
        masks = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
        entropy = pairwise_cross_entropy(logits, masks)
        self.assertTrue(torch.allclose(entropy, torch.tensor([[0.0, 200.0]])))
        self.assertTrue(torch.allclose(pairwise_dice(logits, masks), torch.tensor([[0.0, 2 / 3]])))


if __name__ == "__main__":
    unittest.main()
