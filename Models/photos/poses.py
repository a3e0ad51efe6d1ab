"""Where the joints of people in street photos lie, as MediaPipe's pose network saw them.

Labels of street photos say "skin" and "shoes", not whose left arm. MediaPipe's network (Apache-2.0)
knows single figures' joints and their sides well; `commands/poses.py` asks it once and keeps its
answers as JSON: by the photos' names, `JOINTS` joints as x, y in pixels and the chance that one sees
it.
"""

from __future__ import annotations

from .limbs import Bone, Limbs

# MediaPipe's landmarks by number, the left ones; the right ones follow, the right eye by three:
# https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
EYE, EAR, SHOULDER, ELBOW, WRIST, LITTLE, INDEX = 3, 7, 11, 13, 15, 17, 19
HIP, KNEE, ANKLE, HEEL, TOE = 23, 25, 27, 29, 31
FACE = (1, 3, 4, 6, 0, 9, 10)  # eyes, nose, mouth
JOINTS = 33
SEEN = 0.6
BARE_ARM = 0.3  # of the upper arm, from the shoulder on, may be neck or torso


def limbs_of(pose: list[list[float]]) -> Limbs:
    """The bones of a pose as the file has it."""

    def bones(left: int, chains: list[list[int]]) -> list[Bone]:
        result = []
        for chain in chains:
            points = [pose[joint + left] for joint in chain]
            seen = min(point[2] for point in points) > SEEN
            line = [point[:2] for point in points]
            if chain[0] == SHOULDER:
                line[0] = tuple(a + BARE_ARM * (b - a) for a, b in zip(*line))
            result.append(Bone(line, seen))
        return result

    chains = {
        "arms": [[SHOULDER, ELBOW], [ELBOW, WRIST], [WRIST, INDEX]],
        "legs": [[HIP, KNEE], [KNEE, ANKLE], [ANKLE, TOE]],
        "feet": [[ANKLE, HEEL, TOE, ANKLE]],
    }
    sides = {name: (bones(0, c), bones(1, c)) for name, c in chains.items()}
    torso = [pose[joint][:2] for joint in (SHOULDER, SHOULDER + 1, HIP + 1, HIP)]
    return Limbs(sides, [pose[joint][:2] for joint in FACE], torso)
