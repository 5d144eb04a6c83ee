"""What the synthetic faces inherit: geometry and colours by family, marks and a few per cent by person."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Lowest and highest value of each trait. Lengths are in half heights of the image, y points down; angles in radians.
TRAITS: Final[dict[str, tuple[float, float]]] = {
    "face_width": (0.47, 0.66),
    "face_height": (0.66, 0.80),
    "jaw_taper": (0.02, 0.38),
    "jaw_square": (2.0, 3.2),
    "ear_size": (0.07, 0.15),
    "eye_y": (-0.16, 0.02),
    "eye_spacing": (0.19, 0.31),
    "eye_width": (0.085, 0.14),
    "eye_height": (0.035, 0.075),
    "eye_tilt": (-0.28, 0.28),
    "iris_size": (0.038, 0.056),
    "brow_gap": (0.09, 0.17),
    "brow_length": (0.10, 0.17),
    "brow_thickness": (0.012, 0.042),
    "brow_tilt": (-0.3, 0.3),
    "nose_length": (0.20, 0.38),
    "nose_width": (0.055, 0.13),
    "nose_depth": (0.25, 0.8),
    "mouth_y": (0.36, 0.50),
    "mouth_width": (0.14, 0.28),
    "lip_upper": (0.015, 0.045),
    "lip_lower": (0.02, 0.065),
    "hair_line": (-0.62, -0.34),
    "hair_volume": (0.05, 0.24),
    "hair_length": (-0.35, 0.95),
    "hair_parting": (-0.45, 0.45),
    "fringe": (-0.25, 0.25),
    "cheek_red": (0.0, 0.16),
    "freckles": (0.0, 1.0),
}
_SKIN = np.array([[250, 222, 200], [240, 200, 168], [222, 172, 132], [190, 134, 94], [142, 94, 62], [92, 60, 42]]) / 255
_DARK_HAIR, _LIGHT_HAIR = [[24, 20, 22], [58, 38, 26], [110, 70, 38]], [[196, 150, 84], [226, 200, 140]]
_HAIR = np.array([*_DARK_HAIR, *_LIGHT_HAIR, [150, 62, 28], [128, 126, 124]]) / 255
_IRIS = np.array([[58, 36, 22], [104, 68, 34], [84, 110, 62], [70, 110, 160], [110, 130, 140]]) / 255

#: Spots a person may have at most: moles, then scars' points, then freckles.
MOLES: Final = 4
SCAR_POINTS: Final = 9
FRECKLES: Final = 26
#: Part of the range of a trait by which twins differ, one standard deviation, at difference = 1: they wear their hair
#: differently, but their bones are the same to a few per cent of a length.
_TWIN_SPREAD: Final = 0.34
_TWIN_HAIR_SPREAD: Final = 0.7
#: Likewise, as logarithms of brightness: how tanned the skin is, how bleached the hair.
_TAN_SPREAD: Final = 0.2
_BLEACH_SPREAD: Final = 0.55


@dataclass(frozen=True)
class DrawnPerson:
    """One synthetic person.

    Attributes:
        traits: values by the names of `TRAITS`.
        skin, hair, iris, lips: RGB, 0 to 1.
        spots: (M, 4) marks on the face: x, y in parts of the face's half width and height, radius in half heights of
            the image, strength (above 0 darkens, below lightens).
    """

    traits: dict[str, float]
    skin: Array
    hair: Array
    iris: Array
    lips: Array
    spots: Array


def draw_family(seed: int, family: int, difference: float) -> tuple[DrawnPerson, DrawnPerson]:
    """Draw a pair of twins; the same arguments give the same twins."""
    rng = np.random.default_rng([seed, family])
    traits = {name: float(rng.uniform(low, high)) for name, (low, high) in TRAITS.items()}
    skin = _between(rng, _SKIN) * rng.uniform(0.95, 1.05, 3)
    hair = _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.85, 1.15)
    iris = _IRIS[rng.integers(len(_IRIS))] * rng.uniform(0.85, 1.15)
    lips = skin * np.array([1.0, rng.uniform(0.55, 0.8), rng.uniform(0.6, 0.82)])
    spots = _freckles(rng, traits["freckles"])
    shared = DrawnPerson(traits, _colour(skin), _colour(hair), _colour(iris), _colour(lips), spots.astype(np.float32))
    first, second = (_twin(shared, np.random.default_rng([seed, family, n]), difference) for n in (1, 2))
    return first, second


def _twin(shared: DrawnPerson, rng: np.random.Generator, difference: float) -> DrawnPerson:
    """Give a person of the family: what is shared, a little changed, and marks of their own."""
    traits = {}
    for name, (low, high) in TRAITS.items():
        spread = _TWIN_HAIR_SPREAD if name.startswith(("hair", "fringe")) else _TWIN_SPREAD
        step = rng.normal() * spread * difference * (high - low)
        traits[name] = float(np.clip(shared.traits[name] + step, low, high))
    freckles = _freckles(rng, rng.uniform(0, 1))
    marks = np.concatenate([_birthmark(rng), _moles(rng), _scar(rng), freckles])
    marks[:, 3] *= min(1.0, 2.0 * difference)
    tan, bleach = np.exp(rng.normal(0, [_TAN_SPREAD, _BLEACH_SPREAD]) * difference)
    spots = np.concatenate([shared.spots, marks]).astype(np.float32)
    return replace(
        shared, traits=traits, skin=_colour(shared.skin * tan), hair=_colour(shared.hair * bleach), spots=spots
    )


def _colour(values: NDArray[Any]) -> Array:
    return values.clip(0, 1).astype(np.float32)


def _between(rng: np.random.Generator, palette: NDArray[np.float64]) -> NDArray[np.float64]:
    place = rng.uniform(0, len(palette) - 1)
    low = int(place)
    mixed: NDArray[np.float64] = palette[low] + (place - low) * (palette[low + 1] - palette[low])
    return mixed


def _moles(rng: np.random.Generator) -> NDArray[np.float64]:
    spots = np.zeros((MOLES, 4))
    number = int(rng.integers(1, MOLES + 1))
    angle, distance = rng.uniform(0, 2 * np.pi, number), np.sqrt(rng.uniform(0.06, 0.72, number))
    spots[:number, 0] = distance * np.cos(angle) * 0.95
    spots[:number, 1] = distance * np.sin(angle) * 0.8 + 0.08
    spots[:number, 2] = rng.uniform(0.025, 0.048, number)
    spots[:number, 3] = rng.uniform(0.45, 0.8, number)
    return spots


def _birthmark(rng: np.random.Generator) -> NDArray[np.float64]:
    """Most people have one: large and faint, so that it is still there at 64 pixels."""
    x, y = rng.uniform(-0.7, 0.7), rng.uniform(-0.4, 0.75)
    strength = rng.uniform(0.25, 0.45) * (rng.random() < 0.8)
    return np.array([[x, y, rng.uniform(0.06, 0.11), strength]])


def _scar(rng: np.random.Generator) -> NDArray[np.float64]:
    """Half of the people have a scar: a short line of light points."""
    spots = np.zeros((SCAR_POINTS, 4))
    x, y, angle = rng.uniform(-0.6, 0.6), rng.uniform(-0.45, 0.65), rng.uniform(0, np.pi)
    length, has_scar = rng.uniform(0.15, 0.38), rng.random() < 0.5
    along = np.linspace(-0.5, 0.5, SCAR_POINTS) * length
    if has_scar:
        spots[:, 0], spots[:, 1] = x + along * np.cos(angle), y + along * np.sin(angle)
        spots[:, 2], spots[:, 3] = 0.02, -0.25
    return spots


def _freckles(rng: np.random.Generator, density: float) -> NDArray[np.float64]:
    spots = np.zeros((FRECKLES, 4))
    number = round(FRECKLES * max(0.0, density - 0.3) / 0.7)
    spots[:number, 0] = rng.uniform(0.1, 0.75, number) * rng.choice([-1, 1], number)
    spots[:number, 1] = rng.normal(0.18, 0.16, number)
    spots[:number, 2] = rng.uniform(0.010, 0.018, number)
    spots[:number, 3] = rng.uniform(0.2, 0.4, number)
    return spots
