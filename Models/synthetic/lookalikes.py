"""Things that a network takes for people: round ones in the colours of skin, seen close, and furry
or feathered ones with eyes. Painted over a background, for scenes without people."""

from __future__ import annotations

import cv2
import numpy as np

from synthetic import background
from synthetic.photos import Bank

FRUITS = np.array(
    [
        (240, 140, 30),  # orange
        (245, 175, 60),
        (235, 160, 110),  # peach
        (205, 60, 40),  # apple
        (190, 150, 100),  # potato
        (235, 215, 90),  # lemon
        (215, 185, 150),  # onion
        (120, 150, 50),
        (225, 120, 60),  # pumpkin
    ]
)
COATS = np.array(
    [(35, 30, 28), (95, 65, 42), (150, 105, 65), (190, 155, 115), (125, 120, 115), (225, 220, 212)]
)


def fur(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Brightness (H, W) round 1 of hairs that lie in one direction."""
    length = int(rng.integers(5, 16))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle, reach = (length - 1) / 2, (length - 1) / 2 * np.array((np.cos(angle), np.sin(angle)))
    ends = [tuple(int(round(v)) for v in middle + sign * reach) for sign in (-1, 1)]
    cv2.line(kernel, *ends, 1.0)
    strands = cv2.filter2D(rng.normal(0, 1, (height, width)).astype(np.float32), -1, kernel)
    strands *= rng.uniform(0.1, 0.35) / max(float(strands.std()), 1e-6)
    return np.clip(1 + strands + 0.3 * (background.noise(rng, width, height) - 0.5), 0.3, 1.8)


def lump(
    rng: np.random.Generator,
    image: np.ndarray,
    centre: np.ndarray,
    radii: np.ndarray,
    colour: np.ndarray,
    light: np.ndarray,
    angle: float = 0.0,
    uneven: float = 0.0,
    hairy: bool = False,
    shine: float = 0.0,
) -> None:
    """A shaded ellipsoid of `radii` (2,) pixels; `uneven` is the share by which its outline
    wanders."""
    height, width = image.shape[:2]
    reach = float(max(radii)) * (1 + uneven) + 2
    low = np.maximum(np.floor(centre - reach), 0).astype(int)
    high = np.minimum(np.ceil(centre + reach), (width, height)).astype(int)
    if (high - low < 2).any():
        return
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    x, y = x - centre[0], y - centre[1]
    u = (x * np.cos(angle) + y * np.sin(angle)) / radii[0]
    v = (y * np.cos(angle) - x * np.sin(angle)) / radii[1]
    around, far = np.arctan2(v, u), np.hypot(u, v)
    outline = np.ones_like(far)
    for k in range(2, 6):
        outline += uneven / k * rng.normal() * np.cos(k * around + rng.uniform(0, 6.3))
    far = far / outline
    up = np.sqrt(np.clip(1 - far**2, 0, 1))
    normal = np.stack((x / (radii.mean() * outline), y / (radii.mean() * outline), up), -1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True) + 1e-6
    facing = normal @ light
    ambient = rng.uniform(0.25, 0.7)
    shade = ambient + (1.15 - ambient) * np.clip(facing, 0, 1)
    rows, columns = far.shape
    surface = (
        fur(rng, rows, columns)
        if hairy
        else 1 + rng.uniform(0, 0.35) * (background.noise(rng, columns, rows) - 0.5)
    )
    if not hairy and rng.random() < 0.5:  # pores
        pores = cv2.GaussianBlur(
            rng.normal(0, 1, far.shape).astype(np.float32), (0, 0), rng.uniform(0.6, 2.5)
        )
        surface = surface + rng.uniform(0.02, 0.1) * pores / max(float(pores.std()), 1e-6)
    colours = colour * (shade * surface)[..., None]
    half = light + (0, 0, 1)
    glint = np.clip(normal @ (half / np.linalg.norm(half)), 0, 1) ** rng.uniform(8, 60)
    colours = colours + 255 * shine * glint[..., None]
    softness = 3.0 if hairy else 1.5
    alpha = np.clip((1 - far) * float(radii.mean()) / softness, 0, 1)[..., None]
    window = image[low[1] : high[1], low[0] : high[0]]
    window[:] = np.clip(window * (1 - alpha) + colours * alpha, 0, 255).astype(np.uint8)


def _light(rng: np.random.Generator) -> np.ndarray:
    light = np.array((rng.normal(0, 0.6), rng.normal(-0.5, 0.4), rng.uniform(0.2, 1)))
    return light / np.linalg.norm(light)


def fruits(rng: np.random.Generator, image: np.ndarray) -> None:
    """Fruit, balls and stones: a heap, or one that may fill the picture."""
    height, width = image.shape[:2]
    count = 1 if rng.random() < 0.5 else int(rng.integers(2, 9))
    largest = 0.65 if count == 1 else 0.3
    light = _light(rng)
    kind = FRUITS[rng.integers(len(FRUITS))] if rng.random() < 0.6 else background.skin_paint(rng)
    for _ in range(count):
        if rng.random() < 0.25:
            kind = FRUITS[rng.integers(len(FRUITS))]
        radius = min(width, height) * rng.uniform(0.08, largest)
        colour = np.array(kind) * rng.uniform(0.7, 1.15) * rng.uniform(0.9, 1.1, 3)
        centre = rng.uniform(0.15, 0.85, 2) * (width, height)
        lump(
            rng,
            image,
            centre,
            radius * np.exp(rng.normal(0, 0.12, 2)),
            colour,
            light,
            rng.uniform(0, np.pi),
            uneven=abs(rng.normal(0, 0.05)),
            shine=rng.choice([0, 0.15, 0.5]),
        )
        if rng.random() < 0.3:  # where the stalk was
            spot = centre + rng.uniform(-0.6, 0.6, 2) * radius
            lump(rng, image, spot, radius * rng.uniform(0.03, 0.12, 2), colour * 0.4, light)


def animal(rng: np.random.Generator, image: np.ndarray) -> None:
    """A body, a head with ears, eyes and a snout or a beak: fur, feathers or plush."""
    height, width = image.shape[:2]
    light, size = _light(rng), min(width, height) * rng.uniform(0.15, 0.6)
    coat = COATS[rng.integers(len(COATS))] * rng.uniform(0.7, 1.2)
    if rng.random() < 0.25:  # a toy or a bird
        coat = np.array(background.paint(rng), float)
    second = COATS[rng.integers(len(COATS))] if rng.random() < 0.5 else coat * 0.7
    hairy = rng.random() < 0.8
    head = rng.uniform(0.2, 0.8, 2) * (width, height)
    side = rng.choice([-1, 1])

    def part(
        place: tuple, radii: tuple, colour: np.ndarray, angle: float = 0, hairy: bool = hairy
    ) -> None:
        centre = head + size * np.array(place) * (side, 1)
        reach = size * np.array(radii) * np.exp(rng.normal(0, 0.12, 2))
        shine = 0.6 if not hairy and reach.max() < 0.2 * size else 0.0
        lump(rng, image, centre, reach, colour, light, angle * side, 0.04, hairy, shine)

    along = rng.uniform(0.2, 1.4)
    part((0.9 * along, 1.1), (1.2, 0.8), coat, rng.uniform(0, 0.9))
    for x in (0.3, 0.7, 1.4):
        part((x * along, 1.9), (0.2, 0.7), coat * 0.85)
    spread, high = rng.uniform(0.35, 0.6), rng.uniform(0.3, 0.8)
    for x in (-spread, spread):
        part((x, -high), (0.22, rng.uniform(0.2, 0.5)), coat * 0.8, 0.5 * x)
    part((0, 0), (0.6, 0.62), coat)
    if rng.random() < 0.6:
        part((0, 0.1), (0.4, 0.45), second)
    snout = rng.uniform(-0.1, 0.1)
    if rng.random() < 0.7:
        part((snout, 0.28), (0.25, 0.22), second * 1.1)
    part((snout, 0.22), (0.09, 0.07), np.array((25.0, 20, 20)), hairy=False)
    apart = rng.uniform(0.15, 0.32)
    for x in (-apart, apart):
        part((x, -0.08), (0.075, 0.075), np.array((30.0, 22, 15)), hairy=False)


def add(rng: np.random.Generator, bank: Bank, image: np.ndarray) -> None:
    """Paint one kind of lookalikes over `image` (H, W, 3) uint8 in place."""
    height, width = image.shape[:2]
    kind = rng.random()
    if kind < 0.4:
        fruits(rng, image)
    elif kind < 0.7:
        for _ in range(int(rng.integers(1, 3))):
            animal(rng, image)
    else:  # a photographed object, close
        for _ in range(int(rng.integers(1, 3))):
            place = rng.uniform(0.2, 0.8, 2) * (width, height)
            background.cutout(rng, bank, image, *place, max(width, height) * rng.uniform(0.6, 1.8))
