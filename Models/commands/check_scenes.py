"""Command: checks whole scenes on this machine. Needs built assets;
`Models/tests/test_synthetic.py` tests what does not."""

from __future__ import annotations

import argparse
import time

import cv2
import numpy as np

import synthetic
from synthetic import body, classes, person, photos, rasteriser
from commands.render import size_of


def check_scene(seed: int, split: str) -> classes.Scene:
    width, height = size_of(seed, 192, 384)
    scene = synthetic.sample(seed, width, height, split)
    assert scene.rgb.shape == (height, width, 3) and scene.rgb.dtype == np.uint8, "rgb"
    for name in ("labels", "persons"):
        plane = getattr(scene, name)
        assert plane.shape == (height, width) and plane.dtype == np.uint8, name
    assert scene.labels.max() < len(classes.CLASSES), "label range"
    assert (
        (scene.labels > 0) == (scene.persons > 0)
    ).all(), "a label without a person, or the reverse"
    assert (
        np.unique(scene.persons)
        == np.arange(scene.persons.max() + 1)[-len(np.unique(scene.persons)) :]
    ).all(), "gaps"
    return scene


def check_sides(people: int) -> None:
    """Left and right are the person's own: seen from the front the left arm is at the right of the
    picture."""
    from synthetic import camera, light

    agree = []
    for seed in range(people):
        rng = np.random.default_rng(seed)
        subject = person.build((7, seed))
        if subject.pose not in ("stand", "walk", "sit"):
            continue
        subject = subject.placed(0, np.zeros(3), rng)
        low, high = subject.points.min(0), subject.points.max(0)
        view = rasteriser.View()
        middle = (low + high) / 2
        view.rotation[:] = camera.LOOK_BACK.ravel()
        view.translation[:] = -camera.LOOK_BACK @ (middle + [0, 0, 60])
        view.focal, view.centre_x, view.centre_y = 1200, 256, 256
        lights = light.sample(rng, "sun", np.full(3, 0.4))
        _, labels, _, _ = rasteriser.render(
            [(1, layer) for layer in subject.layers],
            256,
            256,
            2,
            view,
            lights,
            light.sun_view(lights, low, high),
            photos.bank("train").textures,
        )
        for left, right in (
            (classes.LEFT_LEG, classes.RIGHT_LEG),
            (classes.LEFT_SHOE, classes.RIGHT_SHOE),
        ):
            at = [np.nonzero(labels == side)[1] for side in (left, right)]
            if min(map(len, at)) > 15:
                agree.append(at[0].mean() > at[1].mean())
    assert (
        len(agree) > 10 and np.mean(agree) > 0.9
    ), f"sides agree in {np.mean(agree):.0%} of {len(agree)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=150, help="scenes")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    body.load()
    began, pixels, images, persons = time.monotonic(), np.zeros(20), np.zeros(20), []
    for seed in range(options.count):
        scene = check_scene(seed, "train")
        count = np.bincount(scene.labels.ravel(), minlength=20)
        pixels, images = pixels + count, images + (count > 20)
        persons.append(int(scene.persons.max()))
    rate = options.count / (time.monotonic() - began)
    for seed in range(12):
        scene = check_scene(seed, "heldout")
        person.cached.cache_clear()  # neither the cache nor the order of seeds may show
        again = check_scene(seed, "heldout")
        assert all(
            (a == b).all() for a, b in zip(scene, again)
        ), f"seed {seed} differs when repeated"
        assert (scene.rgb.shape != (other := check_scene(seed, "train")).rgb.shape) or (
            scene.rgb != other.rgb
        ).any()
    check_sides(40)
    assert (
        images > 0
    ).all(), f"never seen: {[classes.CLASSES[i] for i in np.flatnonzero(images == 0)]}"
    negatives = persons.count(0) / len(persons)
    assert 0.03 < negatives < 0.25, f"{negatives:.0%} negatives"
    print(
        f"{options.count} scenes, {rate:.1f} images/s; {negatives:.0%} without people; "
        f"persons {np.bincount(persons)}"
    )
    for name, share, seen in zip(classes.CLASSES, pixels / pixels.sum(), images / options.count):
        print(f"{name:14s} {share:8.3%} of pixels, in {seen:5.1%} of images")
