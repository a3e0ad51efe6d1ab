"""Ask MediaPipe's pose network where people's joints lie in the street photos that train.

MediaPipe is Apache-2.0, the weights are in PyPI's wheel; it wants an older NumPy than training, so

    pip install 'Models[poses]'        # in an environment of its own
    python3 Models poses --data PHOTOS --out poses.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from photos.split import photo_paths
from photos.street import read_image


def ask(paths: list[Path]) -> dict[str, list[list[float]]]:
    """What `photos.poses` says the file holds; photos in which nobody is found are left out."""
    import mediapipe

    poses = {}
    with mediapipe.solutions.pose.Pose(
        static_image_mode=True, model_complexity=1, min_detection_confidence=0.5
    ) as network:
        for path in paths:
            rgb = read_image(path)
            found = network.process(rgb).pose_landmarks
            if found is not None:
                height, width = rgb.shape[:2]
                poses[path.stem] = [
                    [round(p.x * width, 1), round(p.y * height, 1), round(p.visibility, 3)]
                    for p in found.landmark
                ]
    return poses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--out", type=Path, required=True, help="JSON to write")
    arguments = parser.parse_args()
    poses = ask(photo_paths(arguments.data, "ccp", "train"))
    arguments.out.write_text(json.dumps(poses, separators=(",", ":")) + "\n")
