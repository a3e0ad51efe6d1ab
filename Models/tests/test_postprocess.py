import unittest

import torch

from m2fp.postprocess import parse

CONTRACT = {
    "mode": "instances",
    "top_k": 100,
    "part_score_threshold": 0.1,
    "human_score_threshold": 0.1,
    "semantic_score_threshold": 0.5,
    "mask_threshold": 0.5,
}
SIDE = 32


def box(top: int, left: int, bottom: int, right: int, inside: float = 8.0) -> torch.Tensor:
    mask = torch.full((SIDE // 4, SIDE // 4), -8.0)
    mask[top:bottom, left:right] = inside
    return mask


def classes(*wanted: tuple[int, float]) -> torch.Tensor:
    """Logits whose softmax gives each query's class its chance, the rest to "no object"."""
    chances = torch.full((len(wanted), 22), 1e-9)
    for row, (label, chance) in zip(chances, wanted):
        row[label] = chance
        row[21] = 1 - chance
    return chances.log()


def run(queries, masks, size=(SIDE, SIDE), resized=(SIDE, SIDE), **changes):
    return parse(
        classes(*queries), torch.stack(masks), (SIDE, SIDE), resized, size, {**CONTRACT, **changes}
    )


class ParseTests(unittest.TestCase):
    def test_parts_and_persons_land_where_their_masks_are(self):
        found = run([(13, 0.9), (20, 0.9)], [box(0, 0, 4, 4), box(0, 0, 4, 8)])
        self.assertEqual(set(found.labels.unique().tolist()), {0, 13})
        self.assertEqual(found.labels[4, 4], 13)
        self.assertEqual(found.labels[4, 28], 0)
        self.assertEqual(found.persons[4, 28], 1)
        self.assertEqual(found.persons[28, 4], 0)
        self.assertAlmostEqual(found.scores.item(), 0.9, delta=0.02)

    def test_the_better_instance_wins_a_pixel(self):
        found = run([(5, 0.7), (7, 0.9)], [box(0, 0, 8, 8), box(0, 0, 8, 8)])
        self.assertEqual(found.labels.unique().tolist(), [7])

    def test_instances_of_one_class_are_averaged_not_added(self):
        whole = box(0, 0, 8, 8)
        found = run([(5, 0.6), (5, 0.6), (7, 0.9)], [whole] * 3)
        self.assertEqual(found.labels.unique().tolist(), [7])

    def test_score_is_class_times_mean_chance_inside(self):
        # sigmoid(0.85) = 0.70, and 0.7 * 0.7 is below the semantic threshold.
        weak = box(0, 0, 8, 8, inside=0.85)
        self.assertEqual(run([(5, 0.7)], [weak]).labels.max(), 0)
        mild = {"semantic_score_threshold": 0.3, "mask_threshold": 0.3}
        self.assertEqual(run([(5, 0.7)], [weak], **mild).labels.min(), 5)

    def test_persons_need_more_than_their_threshold_and_the_best_lies_on_top(self):
        masks = [box(0, 0, 8, 5), box(0, 3, 8, 8), box(0, 0, 8, 8)]
        found = run([(20, 0.6), (20, 0.8), (20, 0.05)], masks)
        self.assertEqual(len(found.scores), 2)
        self.assertGreater(found.scores[0], found.scores[1])
        self.assertEqual(found.persons[16, 16], 1)
        self.assertEqual(found.persons[16, 2], 2)

    def test_padding_is_cut_before_the_resize(self):
        # The picture is the left half of the input; the mask covers the picture's right half.
        found = run([(5, 0.9)], [box(0, 2, 8, 4)], size=(64, 32), resized=(SIDE, SIDE // 2))
        self.assertEqual(tuple(found.labels.shape), (64, 32))
        self.assertEqual((found.labels[32, 4], found.labels[32, 28]), (0, 5))

    def test_nothing_certain_is_all_background(self):
        found = run([(5, 0.05), (0, 0.9)], [box(0, 0, 8, 8)] * 2)
        self.assertEqual((found.labels.max(), found.persons.max(), len(found.scores)), (0, 0, 0))


if __name__ == "__main__":
    unittest.main()
