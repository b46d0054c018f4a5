"""Generated images of three kinds, each with the mask of the object to be found. See README.md for what they look like."""

import numpy as np

SIDE = 32
KINDS = ("noisy", "faint", "striped")


def blob(rng, radius):
    """A star-shaped region as a soft mask of shape (SIDE, SIDE), values 0..1: a circle whose radius varies with the angle by three waves."""
    margin = 0.8 * radius
    cy, cx = rng.uniform(margin, SIDE - margin, 2)
    y, x = np.mgrid[:SIDE, :SIDE]
    angle = np.arctan2(y - cy, x - cx)
    edge = np.full((SIDE, SIDE), radius)
    for waves in (2, 3, 5):
        edge += radius * rng.uniform(0, 0.3 / waves**0.5) * np.cos(waves * angle + rng.uniform(0, 2 * np.pi))
    return np.clip(edge - np.hypot(y - cy, x - cx) + 0.5, 0, 1)


def stripes(rng):
    """A sine wave of 3 to 5 pixels in a random direction, -1..1."""
    y, x = np.mgrid[:SIDE, :SIDE]
    direction, length = rng.uniform(0, np.pi), rng.uniform(3, 5)
    return np.sin(2 * np.pi * (x * np.cos(direction) + y * np.sin(direction)) / length + rng.uniform(0, 2 * np.pi))


def field(rng, size):
    """A slow change of brightness across the image, as of an uneven lamp: at most size over the length of a side."""
    y, x = np.mgrid[:SIDE, :SIDE] / (SIDE - 1) - 0.5
    direction = rng.uniform(0, 2 * np.pi)
    return rng.uniform(0.3, 1) * size * (x * np.cos(direction) + y * np.sin(direction))


def image(kind, rng):
    """One image, uint8 (SIDE, SIDE), and its mask, uint8 0 or 1."""
    region = blob(rng, rng.uniform(5, 9))
    if kind == "noisy":  # brighter, under heavy noise
        picture = 0.4 + rng.uniform(0.2, 0.35) * region + rng.normal(0, 0.2, region.shape)
    elif kind == "faint":  # hardly brighter, while the lamp is uneven
        picture = 0.5 + field(rng, 0.6) + rng.uniform(0.07, 0.12) * region + rng.normal(0, 0.02, region.shape)
    else:  # striped, as bright as the rest
        picture = 0.5 + rng.uniform(0.12, 0.25) * stripes(rng) * region + rng.normal(0, 0.08, region.shape)
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8), (region > 0.5).astype(np.uint8)


def images(kind, count, rng):
    """Shapes (count, SIDE, SIDE) twice: images and masks."""
    pairs = [image(kind, rng) for _ in range(count)]
    return np.stack([picture for picture, _ in pairs]), np.stack([mask for _, mask in pairs])
