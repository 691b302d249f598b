"""How one photograph was taken: pose, expression, framing, light and camera."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Photo:
    """Angles in degrees; ``shift`` is a fraction of the image width; ``zoom`` a factor.

    Positive yaw turns the nose to larger x, positive pitch turns it down, positive roll is
    clockwise.
    """

    yaw: float
    pitch: float
    roll: float
    zoom: float
    shift: np.ndarray
    mouth_open: float
    smile: float
    brow_raise: float
    eye_open: float
    gaze: np.ndarray
    light: np.ndarray  # unit vector towards the lamp, in the camera's frame, z towards the camera
    ambient: float
    exposure: float
    warmth: np.ndarray
    contrast: float
    blur: float
    noise: float
    backdrop_seed: int


def sample_photo(rng):
    """Draw one photograph's circumstances from a numpy Generator."""
    pose = sample_pose(rng)
    lamp = np.array([rng.uniform(-1, 1), rng.uniform(-0.9, 0.25), rng.uniform(0.45, 1.0)])
    warmth = rng.uniform(-1, 1)
    gel = rng.uniform(0.84, 1.16, 3) if rng.random() < 0.15 else np.ones(3)
    return Photo(
        **pose,
        **sample_expression(rng),
        light=lamp / np.linalg.norm(lamp),
        ambient=rng.uniform(0.36, 0.68),
        exposure=rng.uniform(0.82, 1.22),
        warmth=gel * (1 + warmth * np.array([0.07, 0.0, -0.10])),
        contrast=rng.uniform(0.85, 1.2),
        blur=float(np.clip(rng.normal(0.001, 0.004), 0, 0.008)),
        noise=rng.uniform(0.004, 0.018),
        backdrop_seed=int(rng.integers(2 ** 32)))


def sample_pose(rng):
    return dict(
        yaw=float(np.clip(rng.normal(0, 17), -35, 35)),
        pitch=float(np.clip(rng.normal(0, 6.5), -16, 16)),
        roll=float(np.clip(rng.normal(0, 6), -18, 18)),
        zoom=float(np.exp(np.clip(rng.normal(0, 0.07), -0.15, 0.15))),
        shift=np.clip(rng.normal(0, 0.04, 2), -0.09, 0.09))


def sample_expression(rng):
    talking = rng.random() < 0.45
    return dict(
        mouth_open=float(rng.uniform(0.05, 0.34)) if talking else float(rng.uniform(0, 0.02)),
        smile=float(np.clip(rng.normal(0.45, 0.4), -0.3, 1.1)),
        brow_raise=float(np.clip(rng.normal(0, 0.035), -0.06, 0.09)),
        eye_open=float(rng.uniform(0.12, 0.4)) if rng.random() < 0.06
        else float(rng.uniform(0.68, 1.12)),
        gaze=np.clip(rng.normal(0, [0.045, 0.012]), -0.09, 0.09))
