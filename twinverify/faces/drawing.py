"""Draws synthetic faces: all images of some people at once, in whole arrays, soft edges in place of supersampling."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinverify.faces.genome import TRAITS, Array, DrawnPerson
from twinverify.faces.scene import Scene

_WHITE = np.array([[0.95, 0.94, 0.92]], dtype=np.float32)
_THROAT = np.array([[0.25, 0.08, 0.08]], dtype=np.float32)
#: How much a mark takes of red, green and blue.
_BROWN = np.array([0.8, 1.0, 1.1], dtype=np.float32)[:, None, None]


def draw_faces(people: list[DrawnPerson], scene: Scene, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw one image of each person given, under the scene of the same index.

    Args:
        people: B people (the same one several times for several images).
        scene: B scenes.
        size: side S, pixels.
        rng: for the sensor noise.

    Returns:
        (B, S, S, 3) uint8, RGB.
    """
    face = _Face(people, scene, size)
    face.backdrop_and_shoulders()
    face.hair_behind()
    face.head()
    face.eyes()
    face.nose()
    face.mouth()
    face.marks()
    face.hair_in_front()
    return face.photograph(rng)


Number = Array | float


class _Face:
    """A canvas of (B, 3, S, S) and the coordinates of each pixel in each head's own frame."""

    def __init__(self, people: list[DrawnPerson], scene: Scene, size: int) -> None:
        self.scene, self.size = scene, size
        self.pixel = 2.0 / size
        line = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(self.pixel) - 1
        x = line[None, None, :] - _wide(scene.shift_x)
        y = line[None, :, None] - _wide(scene.shift_y)
        cos, sin = _wide(_f32(np.cos(scene.turn) / scene.scale)), _wide(_f32(np.sin(scene.turn) / scene.scale))
        self.x, self.y = x * cos + y * sin, y * cos - x * sin - np.float32(0.06)  # (B, S, S)
        self.mirror = np.abs(self.x)  # both eyes, ears and nostrils in one go
        self.trait = {name: _wide(np.array([p.traits[name] for p in people], dtype=np.float32)) for name in TRAITS}
        self.skin, self.hair = np.stack([p.skin for p in people]), np.stack([p.hair for p in people])
        self.iris, self.lips = np.stack([p.iris for p in people]), np.stack([p.lips for p in people])
        self.spots = np.stack([p.spots for p in people])  # (B, M, 4)
        self.canvas = np.empty((len(people), 3, size, size), dtype=np.float32)
        taper = 1 - self.trait["jaw_taper"] * np.clip(self.y / self.trait["face_height"], 0, 1.2) ** 2
        self.half_width = self.trait["face_width"] * taper
        self.outline = self._superellipse(self.mirror, self.y, self.half_width, self.trait["face_height"])
        self.on_face = self._edge(self.outline)

    def backdrop_and_shoulders(self) -> None:
        fall = 1 - 0.12 * (self.y + 1)
        self.canvas[:] = self.scene.backdrop[:, :, None, None] * fall[:, None]
        self._paint(self._ellipse(self.mirror, self.y, 0, 1.22, 0.86, 0.52), self.scene.cloth)
        neck = np.clip((self.trait["face_width"] * 0.62 - self.mirror) / self.pixel + 0.5, 0, 1) * (self.y > 0)
        self._paint(neck * (1 - self._ellipse(self.mirror, self.y, 0, 1.34, 0.7, 0.52)), self.skin * 0.82)

    def hair_behind(self) -> None:
        t = self.trait
        width = t["face_width"] + t["hair_volume"] * 0.9
        cap = self._edge(self._superellipse(self.mirror, self.y + 0.08, width, t["face_height"] + t["hair_volume"]))
        self._paint(cap * np.clip((t["hair_length"] - self.y) / 0.08, 0, 1), self.hair * 0.8)

    def head(self) -> None:
        t = self.trait
        ear_y, ear_width, ear_height = t["eye_y"] + 0.12, t["ear_size"] * 0.75, t["ear_size"] * 1.3
        ear = self._ellipse(self.mirror, self.y, t["face_width"], ear_y, ear_width, ear_height)
        self._paint(ear, self.skin * 0.88)
        self._paint(self.on_face, self.skin)
        self._shade(self.on_face * np.clip((self.outline + 0.22) / 0.22, 0, 1) ** 2 * 0.28)  # roundness
        cheek = self._blob(self.mirror, self.y, t["face_width"] * 0.55, 0.24, 0.15) * t["cheek_red"]
        self.canvas[:, 1:] *= 1 - (cheek * self.on_face)[:, None]

    def eyes(self) -> None:
        t, s = self.trait, self.scene
        across, along = self._turned(t["eye_spacing"], t["eye_y"], t["eye_tilt"])
        height = t["eye_height"] * _wide(s.eye_open)
        self._shade(self._blob(self.mirror, self.y, t["eye_spacing"], t["eye_y"] - 0.02, 0.13) * 0.22)
        white = self._ellipse(across, along, 0, 0, t["eye_width"], height)
        rim = self._ellipse(across, along, 0, -0.012, t["eye_width"] + 0.016, height + 0.016)
        self._shade(rim * 0.72)
        self._paint(white, _WHITE)
        look = self.mirror - t["eye_spacing"] - np.sign(self.x) * _wide(s.gaze) * 0.035
        self._paint(white * self._ellipse(look, along, 0, 0, t["iris_size"], t["iris_size"]), self.iris)
        self._shade(white * self._ellipse(look, along, 0, 0, t["iris_size"] * 0.45, t["iris_size"] * 0.45) * 0.9)
        self._brows()

    def _brows(self) -> None:
        t = self.trait
        height = t["eye_y"] - t["brow_gap"] - 0.045 * _wide(self.scene.brow_raise)
        across, along = self._turned(t["eye_spacing"] + 0.01, height, t["brow_tilt"])
        brow = self._ellipse(across, along + across**2 * 2.0, 0, 0, t["brow_length"], t["brow_thickness"])
        self._paint(brow * 0.85, self.hair * 0.7)

    def nose(self) -> None:
        t = self.trait
        tip = t["eye_y"] + t["nose_length"]
        slope = np.clip((self.y - t["eye_y"]) / t["nose_length"], 0, 1)
        inside = (slope > 0) & (self.y < tip)
        flank = np.exp(-(((self.mirror - t["nose_width"] * (0.35 + 0.65 * slope)) / 0.035) ** 2)) * inside
        lit = 1 + np.sign(self.x) * np.sign(_wide(self.scene.light[:, 0])) * -0.6
        self._shade(flank * t["nose_depth"] * 0.26 * lit)
        self._shade(self._blob(self.x, self.y, 0, tip + 0.015, t["nose_width"] * 0.9, 0.025) * 0.34)
        self._shade(self._ellipse(self.mirror, self.y, t["nose_width"] * 0.55, tip, 0.024, 0.016) * 0.6)
        self._shade(-self._blob(self.x, self.y, 0, tip - 0.05, 0.035, 0.05) * 0.12 * t["nose_depth"])

    def mouth(self) -> None:
        t, s = self.trait, self.scene
        smile, gap = _wide(s.smile), _wide(s.mouth_open) * 0.045
        width = t["mouth_width"] * (1 + 0.14 * smile)
        y = self.y - t["mouth_y"] + smile * 1.1 * (self.x**2 - 0.3 * width**2)
        taper = np.sqrt(np.clip(1 - (self.x / width) ** 2, 0, 1))
        upper = np.clip((taper * (t["lip_upper"] + gap) - np.abs(y + gap / 2)) / self.pixel + 0.5, 0, 1) * (y < 0)
        lower = np.clip((taper * (t["lip_lower"] + gap) - np.abs(y)) / self.pixel + 0.5, 0, 1) * (y >= 0)
        inside = np.abs(self.x) < width
        self._paint(upper * inside, self.lips * 0.88)
        self._paint(lower * inside, self.lips)
        line = np.clip((taper * (gap + 0.009) - np.abs(y)) / self.pixel + 0.5, 0, 1) * inside
        self._paint(line, _THROAT)
        self._shade(self._blob(self.x, self.y, 0, t["mouth_y"] + 0.11, width * 0.7, 0.03) * 0.16)

    def marks(self) -> None:
        """Moles, scars and freckles: Gaussians, which are products of a row and a column in the image's own frame."""
        s = self.scene
        x = self.spots[..., 0] * self.trait["face_width"][:, :, 0]  # (B, M), in the head's frame
        y = self.spots[..., 1] * self.trait["face_height"][:, :, 0] + np.float32(0.06)
        cos, sin = (np.cos(s.turn) * s.scale)[:, None], (np.sin(s.turn) * s.scale)[:, None]
        centre_x, centre_y = x * cos - y * sin + s.shift_x[:, None], x * sin + y * cos + s.shift_y[:, None]
        radius = np.maximum(self.spots[..., 2], 1e-3)
        blur = np.sqrt(radius**2 + (0.35 * self.pixel) ** 2)[..., None]
        strength = self.spots[..., 3] * (radius / blur[..., 0]) ** 2  # light is conserved when a spot is under a pixel
        line = (np.arange(self.size, dtype=np.float32) + 0.5) * np.float32(self.pixel) - 1
        rows = np.exp(-(((line - centre_y[..., None]) / blur) ** 2)) * strength[..., None]  # (B, M, S)
        columns = np.exp(-(((line - centre_x[..., None]) / blur) ** 2))
        spots = np.einsum("bmy,bmx->byx", rows, columns)
        self.canvas *= 1 - np.clip(spots * self.on_face, -0.3, 0.85)[:, None] * _BROWN

    def hair_in_front(self) -> None:
        t = self.trait
        width, height = t["face_width"] + t["hair_volume"] * 0.8, t["face_height"] + t["hair_volume"]
        cap = self._edge(self._superellipse(self.mirror, self.y + 0.02, width, height))
        side = (self.x - t["hair_parting"]) ** 2
        line = t["hair_line"] + t["fringe"] * 0.9 * (side - 0.12) + self.mirror**2 * 0.75
        front = cap * np.clip((line - self.y) / (1.5 * self.pixel) + 0.5, 0, 1)
        strands = 1 + 0.06 * np.sin((self.x - t["hair_parting"]) * 34 + self.y * 9)
        self._paint(front, self.hair)
        self.canvas *= np.where(front > 0.5, strands, 1)[:, None]

    def photograph(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        s = self.scene
        light = 1 + self.x * _wide(s.light[:, 0]) + self.y * _wide(s.light[:, 1])
        light = np.clip(light, 0.3, 1.7) * _wide(s.gain)
        tint = np.stack([1 + s.warmth, np.ones_like(s.warmth), 1 - s.warmth], axis=1)
        pixels = self.canvas * light[:, None] * tint[:, :, None, None]
        pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * _wide(s.noise)[:, None]
        eight_bit: NDArray[np.uint8] = (np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
        return eight_bit.transpose(0, 2, 3, 1)

    def _paint(self, cover: NDArray[Any], colour: Array) -> None:
        """Lay a colour, (B, 3) or (1, 3), over the canvas where cover, (B, S, S), is 1."""
        self.canvas += cover[:, None] * (colour[:, :, None, None] - self.canvas)

    def _shade(self, amount: NDArray[Any]) -> None:
        self.canvas *= (1 - amount)[:, None]

    def _superellipse(self, x: Array, y: Array, width: Array, height: Array) -> Array:
        """Give about the signed distance to the outline, in half heights; below 0 is inside."""
        power = self.trait["jaw_square"]
        radius = ((np.abs(x) / width) ** power + (np.abs(y) / height) ** power) ** (1 / power)
        return _f32((radius - 1) * np.minimum(width, height))

    def _edge(self, distance: Array) -> Array:
        return _f32(np.clip(0.5 - distance / self.pixel, 0, 1))

    def _ellipse(self, x: Array, y: Array, cx: Number, cy: Number, a: Number, b: Number) -> Array:
        """Give the cover of an ellipse with centre (cx, cy) and half axes a, b."""
        radius = np.sqrt(((x - cx) / a) ** 2 + ((y - cy) / b) ** 2)
        return self._edge((radius - 1) * np.minimum(a, b))

    @staticmethod
    def _blob(x: Array, y: Array, cx: Number, cy: Number, a: NDArray[Any] | float, b: Number | None = None) -> Array:
        """Give a Gaussian of height 1 that falls to 1/e at the half axes a, b."""
        return _f32(np.exp(-(((x - cx) / a) ** 2) - ((y - cy) / (a if b is None else b)) ** 2))

    def _turned(self, cx: Array, cy: Array, angle: Array) -> tuple[Array, Array]:
        """Give coordinates along a tilted feature of the right half of the face (mirrored on the left)."""
        x, y = self.mirror - cx, self.y - cy
        return _f32(x * np.cos(angle) - y * np.sin(angle)), _f32(x * np.sin(angle) + y * np.cos(angle))


def _wide(values: Array) -> Array:
    """(B,) -> (B, 1, 1)."""
    return _f32(values)[:, None, None]


def _f32(values: NDArray[Any]) -> Array:
    return values.astype(np.float32, copy=False)
