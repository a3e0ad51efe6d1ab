import unittest

import torch
from torch import nn

from m2fp.config import CONFIGS
from m2fp.teachers import Teachers, teacher_loss
from synthetic.classes import COAT, HAT, LEFT_ARM, RIGHT_ARM, UPPER_CLOTHES

CONFIG = CONFIGS["m2fp-tiny"]
CLASSES = CONFIG.num_queries + 1


class Simple(nn.Module):
    """Finds hats where a picture is bright, elsewhere left arms in its left half and right arms in
    its right one."""

    config = CONFIG

    def __init__(self, sure: float = 20.0):
        super().__init__()
        self.sure = sure

    def forward(self, images):
        bright = images[:, 0, ::4, ::4] > 0.5
        left = torch.arange(bright.shape[2]) < bright.shape[2] // 2
        masks = torch.full((len(images), CONFIG.num_queries, *bright.shape[1:]), -20.0)
        places = {HAT: bright, LEFT_ARM: ~bright & left, RIGHT_ARM: ~bright & ~left}
        for label, place in places.items():
            masks[:, label - 1][place] = self.sure
        logits = 20 * torch.eye(CONFIG.num_queries, CLASSES + 2).roll(1, 1)
        return logits.expand(len(images), -1, -1), masks


def one_hot(label: int) -> torch.Tensor:
    """(1, C + 1, 1)."""
    return torch.eye(CLASSES)[label].view(1, -1, 1)


class TeachersTests(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.images = torch.zeros(1, 3, 32, 32)
        self.images[:, :, :16, :12] = 1.0
        self.points = torch.tensor([[[0.2, 0.2], [0.2, 0.8], [0.8, 0.2], [0.8, 0.8]]])

    def said(self, teachers: Teachers) -> list[torch.Tensor]:
        return [teachers(self.images, self.points) for _ in range(40)]

    def test_a_mirror_image_gives_the_same_names_at_the_same_places(self):
        for found in self.said(Teachers([Simple()])):
            self.assertEqual(found.shape, (1, CLASSES, 4))
            self.assertEqual(found.argmax(1).tolist(), [[HAT, LEFT_ARM, RIGHT_ARM, RIGHT_ARM]])
            self.assertTrue(torch.allclose(found.sum(1), torch.ones(1, 4)))

    def test_every_network_is_asked(self):
        found = self.said(Teachers([Simple(), Simple(sure=-20.0)]))
        self.assertEqual({x.argmax(1)[0, 0].item() for x in found}, {0, HAT})

    def test_they_do_not_learn(self):
        teachers = Teachers([nn.Linear(1, 1)]).train()
        self.assertFalse(any(p.requires_grad for p in teachers.parameters()))


class LossTests(unittest.TestCase):
    coat_or_top = one_hot(COAT).bool() | one_hot(UPPER_CLOTHES).bool()

    def gradient(self, taught: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        scores = torch.zeros(1, CLASSES, 1, requires_grad=True)
        teacher_loss(scores.log_softmax(1), taught, allowed).backward()
        return scores.grad.flatten()

    def test_it_ends_at_the_teacher_s_chances(self):
        taught = 0.7 * one_hot(COAT) + 0.3 * one_hot(UPPER_CLOTHES)
        scores = torch.zeros(1, CLASSES, 1, requires_grad=True)
        optimiser = torch.optim.SGD([scores], lr=1.0)
        for _ in range(500):
            optimiser.zero_grad()
            teacher_loss(scores.log_softmax(1), taught, self.coat_or_top).backward()
            optimiser.step()
        chances = scores[0, 1:, 0].softmax(0)
        self.assertAlmostEqual(chances[COAT - 1].item(), 0.7, delta=0.01)
        self.assertAlmostEqual(chances[UPPER_CLOTHES - 1].item(), 0.3, delta=0.01)

    def test_a_teacher_who_contradicts_the_label_does_not_count(self):
        self.assertEqual(self.gradient(one_hot(HAT), self.coat_or_top).abs().max().item(), 0)
        self.assertGreater(self.gradient(one_hot(COAT), self.coat_or_top).abs().max().item(), 0.1)

    def test_who_is_a_person_is_the_labels_business(self):
        nobody = one_hot(0).bool()
        self.assertEqual(self.gradient(one_hot(COAT), nobody).abs().max().item(), 0)
        # A teacher who hardly sees the person still knows what it is.
        unsure = 0.9 * one_hot(0) + 0.1 * one_hot(COAT)
        gradient = self.gradient(unsure, self.coat_or_top)
        self.assertAlmostEqual(gradient[0].item(), 0, places=6)
        self.assertLess(gradient[COAT].item(), -0.1)


if __name__ == "__main__":
    unittest.main()
