import math
import unittest

import torch

from m2fp import criterion
from m2fp.criterion import Criterion, Targets, Terms, dice, rank, sample, set_overlap, side_loss
from m2fp.matcher import Weights

# Classes: background, two parts A and B; answers go on with Human and "no object".
A, B, HUMAN, NONE = 1, 2, 3, 4
# Label sets by row.
BACKGROUND, ONLY_A, ONLY_B, A_OR_B = range(4)
SETS = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1]]).bool()


def targets(labels: list[int], persons: list[int] | None = None, left=None) -> Targets:
    """One image of four points."""
    present = SETS[labels]
    alone = present[present.sum(1) == 1].any(0)
    return Targets(
        SETS,
        torch.tensor([labels]),
        alone[None, 1:],
        ~present.any(0)[None, 1:],
        [max([0, *persons])] if persons else [0],
        torch.tensor([persons or [0] * len(labels)]),
        torch.full((1, len(labels)), 0.5) if left is None else torch.tensor([left]),
    )


class SampleTests(unittest.TestCase):
    def test_pixel_centres_give_the_pixels_and_between_them_the_mean(self):
        maps = torch.arange(12.0).view(1, 1, 3, 4)
        points = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3], [1.0 / 4, 0.5 / 3]]])
        expected = torch.tensor([[[0.0, 11.0, 0.5]]])
        self.assertTrue(torch.allclose(sample(maps, points), expected, atol=1e-5))


class RankTests(unittest.TestCase):
    def test_the_order_is_that_of_the_postprocess(self):
        torch.manual_seed(0)
        logits, masks = torch.randn(2, 5), 3 * torch.randn(2, 50)
        chances = rank(logits, masks)
        self.assertTrue(torch.allclose(chances.exp().sum(0), torch.ones(50), atol=1e-5))
        product = masks.sigmoid() * logits.softmax(1)[[0, 1], [A, B]][:, None]
        floor = torch.full((1, 50), criterion.BACKGROUND_CHANCE)
        self.assertTrue(torch.equal(chances.argmax(0), torch.cat((floor, product)).argmax(0)))


class SetTests(unittest.TestCase):
    def test_overlap_leaves_out_what_shares_classes(self):
        # A point that may be A or B is taken for A: that tells nothing of the IoU of A.
        chances = torch.tensor([[[[0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]]])
        certain = targets([ONLY_A, A_OR_B, BACKGROUND])
        self.assertLess(set_overlap(chances, certain).item(), 1e-6)
        # A point of B that is taken for A is wrong for both.
        wrong = set_overlap(chances, targets([ONLY_A, ONLY_B, BACKGROUND]))
        # (both + 1) / (union + 1) of A is 2 / 3, of B 1 / 2, of the background 1.
        self.assertAlmostEqual(wrong.item(), (1 / 3 + 1 / 2) / 3, places=5)

    def test_sides_are_asked_only_where_both_are_allowed(self):
        allowed = SETS[[ONLY_A, A_OR_B]].T[None]
        logits = torch.zeros(1, 1, 3, 2, requires_grad=True)
        loss = side_loss(logits.log_softmax(2), allowed, torch.tensor([[1.0, 1.0]]), ((A, B),))
        loss.sum().backward()
        self.assertEqual(logits.grad[..., 0].abs().max().item(), 0)
        self.assertLess(logits.grad[0, 0, A, 1].item(), 0)
        self.assertGreater(logits.grad[0, 0, B, 1].item(), 0)

    def test_no_opinion_teaches_no_side(self):
        logits = torch.randn(1, 1, 3, 2, requires_grad=True)
        allowed = SETS[[A_OR_B, A_OR_B]].T[None]
        loss = side_loss(logits.log_softmax(2), allowed, torch.tensor([[0.5, 0.5]]), ((A, B),))
        loss.sum().backward()
        self.assertEqual(logits.grad.abs().max().item(), 0)


class CriterionTests(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        # Queries for A, B and two persons.
        self.classes = torch.zeros(1, 4, 5)
        self.masks = torch.tensor(
            [
                [
                    [2.0, -1.0, 0.5, 3.0],
                    [-3.0, -2.0, 1.0, -1.0],
                    [-2.0, 1.0, 1.0, -2.0],
                    [2.0, 1.0, -1.5, 1.0],
                ]
            ]
        )
        ones = Weights(1.0, 1.0, 1.0)
        terms = Terms(1.0, 1.0, 1.0, parts=ones, persons=ones)
        self.criterion = Criterion(2, (0.5, 0.25), terms, pairs=((A, B),))

    def losses(self, wanted: Targets, classes=None, masks=None, layers: int = 2):
        layer = (
            self.classes if classes is None else classes,
            self.masks if masks is None else masks,
        )
        return self.criterion([layer] * layers, wanted)

    def test_certain_points_give_the_terms_of_mask_classification(self):
        losses = self.losses(targets([ONLY_A, BACKGROUND, BACKGROUND, ONLY_A], [1, 1, 0, 1]))
        s = self.masks[0, :1].sigmoid()
        t = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
        entropy = -(t * s.log() + (1 - t) * (1 - s).log()).mean()
        overlap = 1 - (2 * (s * t).sum(1) + 1) / (s.sum(1) + t.sum(1) + 1)
        self.assertAlmostEqual(losses["mask"].item(), 2 * entropy.item(), places=5)
        self.assertAlmostEqual(losses["dice"].item(), 2 * overlap.mean().item(), places=5)
        # All queries are uniform over 5 answers, whatever their weights.
        self.assertAlmostEqual(losses["class"].item(), 2 * math.log(5), places=5)
        # The second person query fits the person better than the first.
        s = self.masks[0, 3:].sigmoid()
        t = torch.tensor([[1.0, 1.0, 0.0, 1.0]])
        entropy = -(t * s.log() + (1 - t) * (1 - s).log()).mean()
        self.assertAlmostEqual(losses["person mask"].item(), 2 * entropy.item(), places=5)

    def test_a_set_is_charged_its_summed_chance(self):
        wanted = targets([A_OR_B, ONLY_B, BACKGROUND, BACKGROUND])
        chances = rank(self.classes[:, :2], self.masks[:, :2]).exp()[0]
        expected = -(
            (chances[1, 0] + chances[2, 0]).log()
            + chances[2, 1].log()
            + chances[0, 2].log()
            + chances[0, 3].log()
        )
        # The initial queries are not asked; of two layers, the last counts whole.
        losses = self.losses(wanted, layers=3)
        share = 1 + criterion.EARLY_LAYER
        self.assertAlmostEqual(losses["set"].item(), share * expected.item() / 4, places=5)

    def test_one_member_that_says_yes_is_enough(self):
        wanted = targets([A_OR_B] * 4)
        masks = torch.full((1, 4, 4), -20.0)
        neither = self.losses(wanted, masks=masks)["mask"].item()
        masks[0, 0] = 20.0
        self.assertLess(self.losses(wanted, masks=masks)["mask"].item(), 1e-4)
        self.assertGreater(neither, 1)

    def test_classes_of_which_nothing_is_certain_are_not_asked(self):
        classes = self.classes.clone().requires_grad_()
        self.losses(targets([A_OR_B, A_OR_B, BACKGROUND, BACKGROUND]), classes=classes)[
            "class"
        ].backward()
        self.assertEqual(classes.grad.abs().max().item(), 0)

    def test_queries_that_answer_for_nothing_weigh_less(self):
        classes = self.classes.clone()
        classes[0, 2, NONE] = 5.0  # the unmatched query says "no object"
        rest = math.log(4 + math.exp(5.0)) - 5.0
        wanted = targets([ONLY_A, BACKGROUND, BACKGROUND, ONLY_A], [1, 1, 0, 1])
        losses = self.losses(wanted, classes=classes)
        expected = 2 * (math.log(5) + 0.25 * rest) / 1.25
        self.assertAlmostEqual(losses["person class"].item(), expected, places=5)

    def test_persons_are_judged_where_they_are_known(self):
        unknown = criterion.UNKNOWN
        wanted = targets([ONLY_A, A_OR_B, A_OR_B, ONLY_A], [1, 1, unknown, unknown])
        masks = self.masks.clone().requires_grad_()
        losses = self.losses(wanted, masks=masks)
        (losses["person mask"] + losses["person dice"]).backward()
        self.assertEqual(masks.grad[0, 2:, 2:].abs().max().item(), 0)
        self.assertGreater(masks.grad[0, 2:, :2].abs().max().item(), 0)

    def test_a_person_where_nobody_knows_is_excused(self):
        masks = torch.full((1, 4, 4), -9.0)
        masks[0, 2, 2:] = 9.0
        for persons, excused in (([0, 0, criterion.UNKNOWN, criterion.UNKNOWN], True), (None, False)):
            classes = self.classes.clone().requires_grad_()
            wanted = targets([BACKGROUND, BACKGROUND, A_OR_B, A_OR_B], persons)
            self.losses(wanted, classes=classes, masks=masks)["person class"].backward()
            self.assertEqual(classes.grad[0, 2].abs().max().item() == 0, excused)
            self.assertGreater(classes.grad[0, 3].abs().max().item(), 0)

    def test_images_of_one_batch_do_not_mix(self):
        one, nothing = targets([ONLY_A, 0, 0, ONLY_A], [1, 1, 0, 1]), targets([0, 0, 0, 0])
        both = Targets(
            SETS,
            *(torch.cat((a, b)) for a, b in zip(one[1:4], nothing[1:4])),
            [1, 0],
            *(torch.cat((a, b)) for a, b in zip(one[5:], nothing[5:])),
        )
        layer = (self.classes.expand(2, -1, -1), self.masks.expand(2, -1, -1))
        together = self.criterion([layer] * 2, both)
        alone = self.losses(one)
        for name in ("mask", "dice", "person mask", "person dice"):
            self.assertAlmostEqual(together[name].item(), alone[name].item(), places=5)

    def test_descent_finds_the_targets(self):
        classes = self.classes.clone().requires_grad_()
        masks = self.masks.clone().requires_grad_()
        optimiser = torch.optim.Adam([classes, masks], lr=0.2)
        # The second point may be either, and a teacher says left, which is A here.
        wanted = targets(
            [ONLY_A, A_OR_B, BACKGROUND, ONLY_A], [1, 1, 0, 1], [0.5, 1.0, 0.5, 0.5]
        )
        for _ in range(150):
            optimiser.zero_grad()
            sum(self.losses(wanted, classes, masks).values()).backward()
            optimiser.step()
        self.assertEqual(classes[0, [0, 2, 3]].argmax(1).tolist(), [A, NONE, HUMAN])
        found = rank(classes[:, :2], masks[:, :2])[0].argmax(0)
        self.assertEqual(found.tolist(), [A, A, 0, A])
        self.assertEqual((masks[0, 3] > 0).tolist(), [True, True, False, True])

    def test_dice_is_zero_for_a_perfect_mask(self):
        mask = torch.tensor([[1.0, 0.0, 1.0]])
        self.assertLess(dice(40 * (mask - 0.5), mask).item(), 1e-6)


if __name__ == "__main__":
    unittest.main()
