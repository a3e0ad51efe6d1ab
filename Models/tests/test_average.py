"""The weighted mean of checkpoints."""

import tempfile
import unittest
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from unittest import mock

import torch

from commands import average


class AverageTests(unittest.TestCase):
    def test_floats_are_weighted_and_counts_are_the_firsts(self):
        one = {"w": torch.tensor((1.0, 2.0)), "steps": torch.tensor(7)}
        two = {"w": torch.tensor((4.0, 8.0)), "steps": torch.tensor(9)}
        found = average.average([one, two], [2, 1])
        self.assertEqual(found["w"].tolist(), [2.0, 4.0])
        self.assertEqual(found["w"].dtype, torch.float32)
        self.assertEqual(found["steps"].item(), 7)
        self.assertEqual(one["w"].tolist(), [1.0, 2.0])

    def test_other_networks_are_refused(self):
        states = [{"w": torch.zeros(2)}, {"w": torch.zeros(3)}]
        with self.assertRaises(ValueError):
            average.average(states, [1, 1])

    def test_the_command_reads_weights_behind_names(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for file, value in (("a.pth", 1.0), ("b.pth", 4.0)):
                torch.save({"model": {"w": torch.full((2,), value)}}, folder / file)
            argv = ["average", f"{folder}/a.pth=2", f"{folder}/b.pth", "--out", f"{folder}/c.pth"]
            with mock.patch("sys.argv", argv):
                average.main()
            self.assertEqual(torch.load(folder / "c.pth")["model"]["w"].tolist(), [2.0, 2.0])

    def test_a_shift_changes_the_chance_of_its_class_alone(self):
        from m2fp.config import CONFIGS
        from m2fp.model import M2FP

        state = M2FP(CONFIGS["m2fp-tiny"]).state_dict()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            torch.save({"model": state}, folder / "a.pth")
            out = folder / "b.pth"
            argv = ["average", f"{folder}/a.pth", "--out", str(out), "--shift", "Dress=2", "Hat=-1"]
            with mock.patch("sys.argv", argv):
                average.main()
            found = torch.load(out)["model"]
        differing = [key for key in state if not torch.equal(state[key], found[key])]
        self.assertEqual(differing, [average.CLASS_BIAS])
        moved = found[average.CLASS_BIAS] - state[average.CLASS_BIAS]
        wanted = torch.zeros_like(moved)
        wanted[6], wanted[1] = 2, -1
        torch.testing.assert_close(moved, wanted)

    def test_a_shift_of_what_is_no_class_is_a_usage_error(self):
        argv = ["average", "a.pth", "--out", "b.pth", "--shift", "Robe=2"]
        with mock.patch("sys.argv", argv), self.assertRaises(SystemExit), redirect_stderr(StringIO()):
            average.main()


if __name__ == "__main__":
    unittest.main()
