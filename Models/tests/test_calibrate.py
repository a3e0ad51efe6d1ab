"""Biases bring out classes whose masks are good and whose scores are low."""

import sys
import unittest
from pathlib import Path

import numpy as np

MODELS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(MODELS))

from calibrate import Answers, choose_biases
from m2fp.config import CONFIGS


def answers(rng: np.random.Generator) -> Answers:
    """Of 20 images: part 1 is shown and sure, part 2 shown in the first half and unsure of it."""
    config = CONFIGS["m2fp-tiny"]
    pixels, images = 400, 20
    result = Answers.__new__(Answers)
    result.logits = np.full((images, config.num_queries), -9.0, np.float32)
    result.mask_scores = np.full_like(result.logits, 0.95)
    result.chances, result.truths = [], []
    for image in range(images):
        truth = np.zeros(pixels, np.int64)
        truth[:150] = 1
        if image < images // 2:
            truth[200:300] = 2
        result.logits[image, 0] = 3
        result.logits[image, 1] = (-0.5 if image < images // 2 else -4) + rng.normal(0, 0.1)
        chances = np.full((config.num_queries, pixels), 0.02, np.float32)
        chances[0, :150] = chances[1, 200:300] = 0.95
        result.chances.append(chances)
        result.truths.append(truth)
    return result


class Calibration(unittest.TestCase):
    def test_a_class_that_is_seen_but_not_sure_of_is_shown(self):
        config, found = CONFIGS["m2fp-tiny"], answers(np.random.default_rng(1))
        zero = np.zeros(config.num_queries, np.float32)
        self.assertAlmostEqual(found.miou(zero, config), (7000 / 8000 + 1 + 0) / 3, delta=0.06)
        biases = choose_biases(found, config, rounds=2)
        self.assertAlmostEqual(found.miou(biases, config), 1.0, delta=1e-6)
        self.assertGreater(biases[1], 0.4)
        # What would gain nothing stays as it was trained.
        self.assertEqual(np.count_nonzero(biases), 1)


if __name__ == "__main__":
    unittest.main()
