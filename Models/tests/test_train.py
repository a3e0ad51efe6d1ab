import argparse
import copy
import pickle
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from commands import train
from m2fp.config import CONFIGS
from m2fp.model import M2FP
from m2fp.samples import PERSON, UNKNOWN_PERSON, from_scene
from m2fp.teachers import Teachers
from m2fp.training_data import IGNORED_CENTRE, make_batch
from synthetic.classes import Scene


def batch():
    """Two pictures of 128 x 128: a person whose parts are known, and one of whom only the outline
    is."""
    generator = np.random.default_rng(0)
    labels = np.zeros((128, 128), np.uint8)
    for label, top in ((13, 16), (5, 40), (9, 80)):
        labels[top : top + 32, 30:90] = label
    persons = (labels > 0).astype(np.uint8)
    rgb = generator.integers(0, 255, (128, 128, 3), np.uint8)
    known = from_scene(Scene(rgb, labels, persons))
    outlined = known._replace(
        kinds=np.where(persons > 0, PERSON, 0).astype(np.uint8),
        persons=np.where(labels == 5, UNKNOWN_PERSON, persons).astype(np.uint8),
    )
    return make_batch([known, outlined], 200, generator)


class RateTests(unittest.TestCase):
    def test_it_warms_up_stays_level_and_falls_at_the_end(self):
        minute = 60.0
        rates = [
            train.learning_rate(train.WARM_UP_BATCHES, left * minute, 20 * minute)
            for left in (90, 20, 15, 10, 5, 0)
        ]
        self.assertEqual(rates[:2], [1, 1])
        self.assertEqual(sorted(rates, reverse=True), rates)
        self.assertAlmostEqual(rates[3], (1 + train.LOWEST_RATE) / 2)
        self.assertAlmostEqual(rates[-1], train.LOWEST_RATE)
        self.assertLess(train.learning_rate(0, 90 * minute, 20 * minute), 0.02)

    def test_without_a_cool_down_it_stays(self):
        self.assertEqual(train.learning_rate(1000, 0.0, 0.0), 1)


class TrainerTests(unittest.TestCase):
    def test_every_weight_that_should_learn_gets_a_gradient(self):
        torch.manual_seed(0)
        trainer = train.Trainer(M2FP(CONFIGS["m2fp-tiny"]), half=False)
        train.make_optimisers(trainer, 1e-3, 0.15, half=False)
        losses = trainer(batch())
        for name, loss in losses.items():
            self.assertTrue(torch.isfinite(loss), name)
        # The zero weights of the pixels' classifier would hide its features once.
        torch.nn.init.normal_(trainer.pixel_classes.weight)
        sum(trainer(batch()).values()).backward()
        for name, parameter in trainer.named_parameters():
            if parameter.requires_grad:
                self.assertIsNotNone(parameter.grad, name)
                self.assertTrue(parameter.grad.isfinite().all(), name)
        self.assertFalse(trainer.model.backbone.stem.weight.requires_grad)

    def test_copies_compute_with_weights_of_their_own(self):
        model = M2FP(CONFIGS["m2fp-tiny"])
        trainer = train.Trainer(model, half=False)
        depthwise = trainer.model.backbone.stages[0][0].depthwise
        x = torch.ones(1, depthwise.in_channels, 4, 4)
        before = depthwise(x)
        for duplicate in (copy.deepcopy(model), pickle.loads(pickle.dumps(trainer)).model):
            convolution = duplicate.backbone.stages[0][0].depthwise
            self.assertTrue(torch.equal(convolution(x), before))
            torch.nn.init.zeros_(convolution.weight)
            torch.nn.init.zeros_(convolution.bias)
            self.assertEqual(convolution(x).abs().max().item(), 0)
        self.assertTrue(torch.equal(depthwise(x), before))

    def test_teachers_are_asked_and_no_part_of_what_learns(self):
        torch.manual_seed(0)
        model, other = (M2FP(CONFIGS["m2fp-tiny"]) for _ in range(2))
        trainer = train.Trainer(model, half=False, teachers=Teachers([other]), teacher_weight=3.0)
        plain = train.Trainer(model, half=False)
        self.assertEqual(list(trainer.state_dict()), list(plain.state_dict()))
        losses, without = trainer(batch()), plain(batch())
        self.assertEqual(set(losses) - set(without), {"teacher"})
        self.assertGreater(losses["teacher"].item(), 0)
        losses["teacher"].backward()
        self.assertIsNotNone(model.sem_seg_head.predictor.class_embed.weight.grad)
        self.assertIsNone(other.sem_seg_head.predictor.class_embed.weight.grad)

    def test_steps_reduce_the_loss(self):
        torch.manual_seed(0)
        trainer = train.Trainer(M2FP(CONFIGS["m2fp-tiny"]), half=False)
        optimisers = train.make_optimisers(trainer, 2e-3, 0.15, half=False)
        same = batch()
        values = []
        for _ in range(6):
            loss = sum(trainer(same).values())
            values.append(loss.item())
            trainer.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
        self.assertLess(values[-1], 0.8 * values[0])

    def test_centres_that_are_not_known_cost_nothing(self):
        logits = torch.full((1, 4, 4), 3.0, requires_grad=True)
        centres = torch.zeros(1, 4, 4)
        centres[0, 0, 0], centres[0, 2:] = 1.0, IGNORED_CENTRE
        train.centre_loss(logits, centres).backward()
        self.assertEqual(logits.grad[0, 2:].abs().max().item(), 0)
        self.assertGreater(logits.grad[0, 1].min().item(), 0)
        self.assertLess(logits.grad[0, 0, 0].item(), 0)

    def test_accumulated_gradients_are_the_mean_of_the_batches(self):
        torch.manual_seed(0)
        trainer = train.Trainer(M2FP(CONFIGS["m2fp-tiny"]), half=False)
        train.make_optimisers(trainer, 1e-3, 0.15, half=False)
        first = batch()
        second = first._replace(images=255 - first.images)
        gradients, losses = [], []
        for batches in ([first], [second], [first, second]):
            trainer.zero_grad()
            losses.append(train.accumulate(trainer, batches))
            gradients.append(
                torch.cat([p.grad.flatten() for p in trainer.parameters() if p.grad is not None])
            )
        self.assertGreater((gradients[0] - gradients[1]).norm() / gradients[0].norm(), 0.01)
        mean = (gradients[0] + gradients[1]) / 2
        self.assertLess((gradients[2] - mean).norm() / mean.norm(), 1e-4)
        for name, value in losses[2].items():
            self.assertFalse(value.requires_grad)
            self.assertAlmostEqual(
                value.item(), (losses[0][name] + losses[1][name]).item() / 2, places=4
            )


class AverageTests(unittest.TestCase):
    def test_it_forgets_alike_however_many_batches_a_step_takes(self):
        averages = []
        for batches in (1, 4):
            model = torch.nn.Linear(1, 1, bias=False)
            torch.nn.init.zeros_(model.weight)
            average = train.Average(model)
            torch.nn.init.ones_(model.weight)
            for step in range(0, 200, batches):
                # Long after the beginning, where the mean is short.
                average.update(model, 10_000 + step, batches)
            averages.append(average.model.weight.item())
        self.assertAlmostEqual(averages[0], 1 - train.LARGEST_DECAY**200, places=5)
        self.assertAlmostEqual(averages[0], averages[1], places=5)


class SidesTests(unittest.TestCase):
    def test_photos_without_a_teacher_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "ccp/photos").mkdir(parents=True)
            (Path(folder) / "coco/photos").mkdir(parents=True)
            for source, count in (("ccp", 101), ("coco", 61)):
                for number in range(count):
                    path = Path(folder) / source / "photos" / f"{number}.webp"
                    path.write_bytes(bytes([number]))
            arguments = argparse.Namespace(
                data=Path(folder), sides=Path(folder) / "sides", start_from=None
            )
            with self.assertRaises(SystemExit):
                train.teach_sides(arguments, torch.device("cpu"))


if __name__ == "__main__":
    unittest.main()
