import math
import sys
import unittest
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from m2fp.criterion import Criterion, Targets, dice, sample
from m2fp.matcher import Weights

# Answers: background, one part, Human, "no object".
PART, HUMAN, NONE = 1, 2, 3


class SampleTests(unittest.TestCase):
    def test_pixel_centres_give_the_pixels_and_between_them_the_mean(self):
        maps = torch.arange(12.0).view(1, 1, 3, 4)
        points = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [1.0 / 4, 0.5 / 3]]])
        expected = torch.tensor([[[0.0, 11.0, 0.5]]])
        self.assertTrue(torch.allclose(sample(maps, points), expected, atol=1e-5))


class CriterionTests(unittest.TestCase):
    def setUp(self):
        # One image, four points: the part's query and two for persons; the part and one person.
        self.targets = Targets(
            parts=torch.tensor([[True]]),
            labels=torch.tensor([[1, 0, 0, 1]]),
            counts=[1],
            persons=torch.tensor([[1, 1, 0, 1]]),
        )
        self.nothing = Targets(
            torch.tensor([[False]]),
            torch.zeros(1, 4, dtype=torch.long),
            [0],
            torch.zeros(1, 4, dtype=torch.long),
        )
        self.classes = torch.zeros(1, 3, 4)
        self.masks = torch.tensor(
            [[[2.0, -1.0, 0.5, 3.0], [-2.0, 1.0, 1.0, -2.0], [2.0, 1.0, -1.5, 1.0]]]
        )
        self.criterion = Criterion(1, (0.5, 0.25), Weights(1.0, 1.0, 1.0))

    def test_loss_is_the_formula(self):
        losses = self.criterion([(self.classes, self.masks)], self.targets)
        # The second person query fits the person better than the first.
        s = self.masks[0, [0, 2]].sigmoid()
        t = torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 0.0, 1.0]])
        entropy = -(t * s.log() + (1 - t) * (1 - s).log()).mean()
        overlap = 1 - (2 * (s * t).sum(1) + 1) / (s.sum(1) + t.sum(1) + 1)
        self.assertAlmostEqual(losses["mask"].item(), entropy.item(), places=5)
        self.assertAlmostEqual(losses["dice"].item(), overlap.mean().item(), places=5)
        # All queries are uniform over 4 answers, whatever their weights.
        self.assertAlmostEqual(losses["class"].item(), math.log(4), places=5)

    def test_queries_that_answer_for_nothing_weigh_less(self):
        classes = self.classes.clone()
        classes[0, 1, NONE] = 5.0  # the unmatched query says "no object"
        rest = math.log(3 + math.exp(5.0)) - 5.0
        losses = self.criterion([(classes, self.masks)], self.targets)
        self.assertAlmostEqual(
            losses["class"].item(), (2 * math.log(4) + 0.25 * rest) / 2.25, places=5
        )
        losses = self.criterion([(classes, self.masks)], self.nothing)
        expected = (0.75 * math.log(4) + 0.25 * rest) / 1.0
        self.assertAlmostEqual(losses["class"].item(), expected, places=5)

    def test_layers_add_up(self):
        layer = (self.classes, self.masks)
        once = self.criterion([layer], self.targets)
        thrice = self.criterion([layer] * 3, self.targets)
        for name in once:
            self.assertAlmostEqual(3 * once[name].item(), thrice[name].item(), places=4)

    def test_images_of_one_batch_do_not_mix(self):
        both = Targets(
            torch.cat((self.targets.parts, self.nothing.parts)),
            torch.cat((self.targets.labels, self.nothing.labels)),
            [1, 0],
            torch.cat((self.targets.persons, self.nothing.persons)),
        )
        layer = (self.classes.expand(2, -1, -1), self.masks.expand(2, -1, -1))
        together = self.criterion([layer], both)
        alone = self.criterion([(self.classes, self.masks)], self.targets)
        for name in ("mask", "dice"):
            self.assertAlmostEqual(together[name].item(), alone[name].item(), places=5)

    def test_an_image_of_nothing_teaches_only_no_object(self):
        masks = self.masks.clone().requires_grad_()
        classes = self.classes.clone().requires_grad_()
        losses = self.criterion([(classes, masks)], self.nothing)
        sum(losses.values()).backward()
        self.assertEqual(masks.grad.abs().max().item(), 0.0)
        self.assertTrue((classes.grad[0, :, NONE] < 0).all())

    def test_descent_finds_the_targets(self):
        classes = self.classes.clone().requires_grad_()
        masks = self.masks.clone().requires_grad_()
        optimiser = torch.optim.Adam([classes, masks], lr=0.2)
        for _ in range(150):
            optimiser.zero_grad()
            losses = self.criterion([(classes, masks)], self.targets)
            sum(losses.values()).backward()
            optimiser.step()
        self.assertEqual(classes[0].argmax(1).tolist(), [PART, NONE, HUMAN])
        self.assertEqual((masks[0, 0] > 0).tolist(), [True, False, False, True])
        self.assertEqual((masks[0, 2] > 0).tolist(), [True, True, False, True])

    def test_dice_is_zero_for_a_perfect_mask(self):
        mask = torch.tensor([[1.0, 0.0, 1.0]])
        self.assertLess(dice(40 * (mask - 0.5), mask).item(), 1e-6)


if __name__ == "__main__":
    unittest.main()
