"""What differs between two images of one person: light, pose, expression, noise."""

from dataclasses import dataclass

import numpy as np

from twinverify.faces.genome import Array


@dataclass(frozen=True)
class Scene:
    """What differs from image to image; arrays of (B,), but light, backdrop and cloth.

    Attributes:
        shift_x, shift_y, turn, scale: where the head is: half heights, half heights, radians, factor.
        light: (B, 2) direction and strength of the light; gain, warmth: brightness and colour of it.
        smile: -1 to 1; mouth_open, brow_raise, eye_open: 0 to 1; gaze: -1 to 1.
        noise: standard deviation of the sensor noise, 0 to 1 scale.
        backdrop, cloth: (B, 3) RGB.
    """

    shift_x: Array
    shift_y: Array
    turn: Array
    scale: Array
    light: Array
    gain: Array
    warmth: Array
    smile: Array
    mouth_open: Array
    brow_raise: Array
    eye_open: Array
    gaze: Array
    noise: Array
    backdrop: Array
    cloth: Array


def draw_scene(rng: np.random.Generator, images: int) -> Scene:
    """Draw light, pose, expression and noise for a number of images."""

    def uniform(low: float, high: float, *shape: int) -> Array:
        return rng.uniform(low, high, (images, *shape)).astype(np.float32)

    return Scene(
        shift_x=uniform(-0.04, 0.04),
        shift_y=uniform(-0.04, 0.04),
        turn=uniform(-0.07, 0.07),
        scale=uniform(0.97, 1.03),
        light=uniform(-0.22, 0.22, 2),
        gain=uniform(0.85, 1.12),
        warmth=uniform(-0.06, 0.06),
        smile=uniform(-0.4, 0.8),
        mouth_open=np.maximum(0, uniform(-1.2, 1.0)),
        brow_raise=uniform(-0.3, 1.0),
        eye_open=uniform(0.55, 1.1),
        gaze=uniform(-1, 1),
        noise=uniform(0.006, 0.022),
        backdrop=uniform(0.4, 0.8, 1) + uniform(-0.05, 0.05, 3),
        cloth=uniform(0.1, 0.85, 3),
    )
