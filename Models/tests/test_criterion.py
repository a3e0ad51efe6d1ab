import math
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from m2fp.criterion import Criterion, dice, sample
from m2fp.matcher import Targets, Weights


class SampleTests(unittest.TestCase):
    def test_pixel_centres_give_the_pixels_and_between_them_the_mean(self):
        maps = torch.arange(12.0).view(1, 1, 3, 4)
        points = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [1.0 / 4, 0.5 / 3]]])
        expected = torch.tensor([[[0.0, 11.0, 0.5]]])
        self.assertTrue(torch.allclose(sample(maps, points), expected, atol=1e-5))


class CriterionTests(unittest.TestCase):
    def setUp(self):
        # One image, four points: two queries, one target of class 1.
        mask = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
        self.targets = [Targets(torch.tensor([1]), mask)]
        self.classes = torch.zeros(1, 2, 4)
        self.masks = torch.tensor([[[2.0, -1.0, 0.5, 3.0], [-2.0, 1.0, 1.0, -2.0]]])

    def criterion(self, no_object=0.25) -> Criterion:
        return Criterion(3, torch.full((2,), no_object), weights=Weights(1.0, 1.0, 1.0))

    def test_loss_is_the_formula(self):
        losses = self.criterion()([(self.classes, self.masks)], self.targets)
        s = torch.tensor([2.0, -1.0, 0.5, 3.0]).sigmoid()
        t = self.targets[0].masks[0]
        entropy = -(t * s.log() + (1 - t) * (1 - s).log()).mean()
        overlap = 1 - (2 * (s * t).sum() + 1) / (s.sum() + t.sum() + 1)
        self.assertAlmostEqual(losses["mask"].item(), entropy.item(), places=5)
        self.assertAlmostEqual(losses["dice"].item(), overlap.item(), places=5)
        # Both queries are uniform over 4 answers, whatever their weights.
        self.assertAlmostEqual(losses["class"].item(), math.log(4), places=5)

    def test_unmatched_queries_weigh_less(self):
        classes = self.classes.clone()
        classes[0, 1, 3] = 5.0  # the unmatched query says "no object"
        wrong = math.log(3 + math.exp(5.0)) - 5.0
        losses = self.criterion(0.25)([(classes, self.masks)], self.targets)
        expected = (math.log(4) + 0.25 * wrong) / 1.25
        self.assertAlmostEqual(losses["class"].item(), expected, places=5)

    def test_layers_add_up(self):
        layer = (self.classes, self.masks)
        once = self.criterion()([layer], self.targets)
        thrice = self.criterion()([layer] * 3, self.targets)
        for name in once:
            self.assertAlmostEqual(3 * once[name].item(), thrice[name].item(), places=4)

    def test_an_image_of_nothing_teaches_only_no_object(self):
        nothing = [Targets(torch.zeros(0, dtype=torch.long), torch.zeros(0, 4))]
        masks = self.masks.clone().requires_grad_()
        classes = self.classes.clone().requires_grad_()
        losses = self.criterion()([(classes, masks)], nothing)
        sum(losses.values()).backward()
        self.assertEqual(masks.grad.abs().max().item(), 0.0)
        self.assertTrue((classes.grad[0, :, 3] < 0).all())

    def test_descent_finds_the_target(self):
        classes = self.classes.clone().requires_grad_()
        masks = self.masks.clone().requires_grad_()
        optimiser = torch.optim.Adam([classes, masks], lr=0.2)
        criterion = self.criterion()
        for _ in range(150):
            optimiser.zero_grad()
            losses = criterion([(classes, masks)], self.targets)
            sum(losses.values()).backward()
            optimiser.step()
        self.assertEqual(classes[0].argmax(1).tolist(), [1, 3])
        self.assertEqual((masks[0, 0] > 0).tolist(), [True, False, False, True])

    def test_dice_is_zero_for_a_perfect_mask(self):
        mask = torch.tensor([[1.0, 0.0, 1.0]])
        self.assertLess(dice(40 * (mask - 0.5), mask).item(), 1e-6)


if __name__ == "__main__":
    unittest.main()
