"""What joints exclude of a label set."""

import unittest

import numpy as np

from m2fp import samples
from m2fp.samples import PERSON, UNKNOWN, kind
from photos import everyday, poses
from photos.limbs import SKIN, Bone, Limbs, narrow
from synthetic.classes import (
    COAT, FACE, LEFT_ARM, LEFT_LEG, LEFT_SHOE, PANTS, RIGHT_ARM, RIGHT_LEG, RIGHT_SHOE, SOCKS,
    TORSO_SKIN,
)  # fmt: skip

HEIGHT, WIDTH = 300, 200
# Someone who faces the camera: the left side is on the right of the picture.
JOINTS = {
    poses.SHOULDER: (130, 80), poses.ELBOW: (150, 120), poses.WRIST: (160, 160),
    poses.INDEX: (162, 172), poses.HIP: (115, 160), poses.KNEE: (118, 220), poses.ANKLE: (120, 270),
    poses.HEEL: (121, 275), poses.TOE: (124, 285),
}  # fmt: skip


def pose(seen: float = 1.0) -> list[list[float]]:
    result = [[100.0, 45.0, 1.0] for _ in range(poses.JOINTS)]
    face = ((5, -5), (9, -5), (-5, -5), (-9, -5), (0, 0), (4, 8), (-4, 8))
    for number, (dx, dy) in zip(poses.FACE, face):
        result[number] = [100.0 + dx, 45.0 + dy, 1.0]
    for joint, (x, y) in JOINTS.items():
        result[joint] = [x, y, seen]
        result[joint + 1] = [200 - x, y, seen]
    return result


def allowed(number: int) -> set[int]:
    return set(np.flatnonzero(samples.kind_classes()[number]).tolist())


class NarrowTests(unittest.TestCase):
    def narrowed(self, members, seen: float = 1.0, person=None) -> np.ndarray:
        kinds = np.full((HEIGHT, WIDTH), kind(members), np.uint8)
        everyone = np.ones(kinds.shape, bool) if person is None else person
        return narrow(kinds, everyone, poses.limbs_of(pose(seen)))

    def test_skin_is_of_the_part_and_side_whose_bones_are_near(self):
        kinds = self.narrowed(SKIN)
        for (x, y), wanted in {
            (155, 140): LEFT_ARM, (45, 140): RIGHT_ARM, (118, 240): LEFT_LEG, (82, 240): RIGHT_LEG,
            (100, 47): FACE,
        }.items():  # fmt: skip
            self.assertEqual(allowed(kinds[y, x]), {wanted})

    def test_skin_at_the_shoulder_and_between_the_legs_stays_open(self):
        kinds = self.narrowed(SKIN)
        self.assertIn(TORSO_SKIN, allowed(kinds[82, 126]))
        self.assertLessEqual({LEFT_LEG, RIGHT_LEG}, allowed(kinds[240, 100]))

    def test_other_sets_lose_the_other_side_only(self):
        self.assertEqual(allowed(self.narrowed({LEFT_SHOE, RIGHT_SHOE})[278, 122]), {LEFT_SHOE})
        legwear = self.narrowed({SOCKS, PANTS, LEFT_LEG, RIGHT_LEG})
        self.assertEqual(allowed(legwear[240, 118]), {SOCKS, PANTS, LEFT_LEG})
        self.assertEqual(allowed(self.narrowed({COAT})[140, 155]), {COAT})

    def test_a_guessed_joint_tells_nothing_of_its_own_limb(self):
        shoes = {LEFT_SHOE, RIGHT_SHOE}
        self.assertEqual(allowed(self.narrowed(shoes, 0.2)[278, 122]), shoes)

    def test_a_guessed_limb_speaks_against_the_other(self):
        crossing = Bone([(100, 150), (100, 250)], seen=False)
        seen = Bone([(104, 150), (104, 250)])
        limbs = Limbs({"arms": ([], []), "legs": ([seen], [crossing]), "feet": ([], [])})
        kinds = np.full((HEIGHT, WIDTH), kind({LEFT_LEG, RIGHT_LEG}), np.uint8)
        kinds = narrow(kinds, np.ones(kinds.shape, bool), limbs)
        self.assertEqual(allowed(kinds[200, 102]), {LEFT_LEG, RIGHT_LEG})

    def test_others_and_what_is_unknown_stay_as_they_are(self):
        left = np.zeros((HEIGHT, WIDTH), bool)
        left[:, :100] = True
        kinds = self.narrowed(SKIN, person=left)
        self.assertEqual(allowed(kinds[140, 155]), set(SKIN))
        unknown = np.full((HEIGHT, WIDTH), UNKNOWN, np.uint8)
        everyone = np.ones(unknown.shape, bool)
        np.testing.assert_array_equal(narrow(unknown, everyone, poses.limbs_of(pose())), unknown)

    def test_joints_of_the_data_set_exclude_sides_of_a_person(self):
        joints = [[0, 0, 0] for _ in range(17)]
        joints[everyday.LEFT_SHOULDER] = [130, 80, 2]
        joints[everyday.LEFT_ELBOW] = [150, 120, 2]
        joints[everyday.LEFT_WRIST] = [160, 160, 2]
        kinds = np.full((HEIGHT, WIDTH), PERSON, np.uint8)
        kinds = narrow(kinds, np.ones(kinds.shape, bool), everyday.limbs_of(joints))
        self.assertEqual(set(range(1, 20)) - allowed(kinds[140, 155]), {RIGHT_ARM})
        self.assertEqual(kinds[200, 40], PERSON)

    def test_narrowing_and_mirroring_may_come_in_either_order(self):
        flipped = [[WIDTH - 1 - x, y, seen] for x, y, seen in pose()]
        # Sides are the person's own.
        for one, other in ((1, 4), (3, 6), (9, 10), *((joint, joint + 1) for joint in JOINTS)):
            flipped[one], flipped[other] = flipped[other], flipped[one]
        kinds = np.full((HEIGHT, WIDTH), kind(SKIN), np.uint8)
        everyone = np.ones(kinds.shape, bool)
        one = narrow(kinds, everyone, poses.limbs_of(pose()))
        one = samples.mirrored_kinds()[one][:, ::-1]
        two = narrow(kinds, everyone, poses.limbs_of(flipped))
        self.assertGreater((one == two).mean(), 0.99)  # drawn lines differ by a pixel


if __name__ == "__main__":
    unittest.main()
