"""From a seed to a labelled picture."""

from __future__ import annotations

import numpy as np

from synthetic import background, camera, light, lookalikes, occluders, person, photos
from synthetic import rasteriser, sensor, things
from synthetic.classes import Scene

SPLITS = ("train", "heldout")
NEIGHBOURS, CAST = 96, 48
"""That many scenes in a row draw their people from a cast of so many, which keeps the cost of
building them down."""

OVERSAMPLE = 2
LOOKALIKE_SHARE = 0.5  # of the scenes without people: painted ones
THINGS = {True: (0.55, 0.23, 0.14, 0.08), False: (0.3, 0.2, 0.25, 0.25)}
"""Shares of scenes with 0, 1, … things that look like people; with and without people in them."""
DARK_SHARE = {True: 0.5, False: 0.08}
"""Of the people, those all in black: in dark places and elsewhere."""


def number_persons(labels: np.ndarray, persons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clear pixels that only one of the maps claims and number the persons that remain 1.. without
    gaps."""
    both = (labels > 0) & (persons > 0)
    labels, persons = labels * both, persons * both
    seen = np.unique(persons)
    table = np.zeros(256, np.uint8)
    table[seen[seen > 0]] = np.arange(1, (seen > 0).sum() + 1)
    return labels.astype(np.uint8), table[persons]


def sample(
    seed: int, width: int, height: int, split: str = "train", people_free: bool = False
) -> Scene:
    """The scene of a seed; the same arguments give the same bytes on the same machine.

    The splits share neither people nor photos. `people_free` leaves the people out. Raises
    `body.AssetsMissing` until `build_assets` has run.
    """
    domain = SPLITS.index(split)
    rng = np.random.default_rng((domain, seed))
    bank = photos.bank(split)
    layout, count = camera.sample_layout(rng)
    if people_free:
        count = 0
    cast = rng.choice(CAST, count, replace=False)
    people = [person.cached((1 + domain, seed // NEIGHBOURS, int(i))) for i in cast]

    back = background.sample(rng, bank, width, height)
    if people_free and rng.random() < LOOKALIKE_SHARE:
        lookalikes.add(rng, bank, back)
    linear = sensor.linearised(back) * rng.uniform(0.55, 1.3)
    kind = str(rng.choice(list(light.KINDS), p=list(light.KINDS.values())))
    dim = kind in light.DARK
    if dim:
        linear = light.darken(rng, kind, linear)
    lights = light.sample(rng, kind, linear.mean((0, 1)))
    labels, persons = np.zeros((2, height, width), np.uint8)
    share = THINGS[bool(people)]
    around = [
        things.sample(rng, CAST, (1 + domain, seed // NEIGHBOURS))
        for _ in range(rng.choice(len(share), p=share))
    ]
    if people or around:
        people, view = camera.place(
            *(rng, layout, people, width * OVERSAMPLE, height * OVERSAMPLE),
            dark=DARK_SHARE[dim],
        )
        around = camera.beside(rng, around, people, layout)
        points = np.concatenate([p.points for p in people + around])
        sun = light.sun_view(lights, points.min(0), points.max(0))
        layers = [(i + 1, layer) for i, p in enumerate(people) for layer in p.layers]
        layers += [(0, layer) for thing in around for layer in thing.layers]
        rgba, labels, persons, shadow = rasteriser.render(
            layers, width, height, OVERSAMPLE, view, lights, sun, bank.textures
        )
        if rng.random() < 0.5:
            linear = linear * shadow[..., None]
        linear = linear * (1 - rgba[..., 3:]) + rgba[..., :3]
    image = sensor.develop(rng, linear)
    if rng.random() < 0.3:
        occluders.add(rng, bank, image, labels, persons)
    labels, persons = number_persons(labels, persons)
    return Scene(sensor.capture(rng, image, dim), labels, persons)
