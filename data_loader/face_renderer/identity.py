"""Who is in the photograph: what stays the same from one picture of a person to the next.

Lengths are in units of the average distance between the pupils; y points down, 0 at the eyes.
"""

from dataclasses import dataclass

import numpy as np

# From very light to very dark; sampled between neighbours, then tinted.
SKIN_TONES = np.array([
    [250, 228, 214], [244, 208, 184], [236, 190, 158], [224, 176, 136], [206, 154, 112],
    [180, 126, 86], [150, 98, 64], [124, 80, 54], [96, 62, 46], [72, 49, 40]]) / 255
SKIN_TINTS = np.array([[1.0, 1.0, 1.0], [1.05, 0.93, 0.92], [1.02, 0.98, 0.88], [1.0, 0.97, 0.94]])
HAIR_COLOURS = np.array([
    [20, 17, 20], [38, 26, 22], [66, 42, 28], [104, 66, 38], [142, 94, 50], [196, 156, 92],
    [232, 208, 150], [158, 66, 30], [200, 92, 40], [128, 126, 126], [222, 220, 216],
    [120, 30, 50], [52, 84, 150], [190, 90, 150], [60, 120, 100]]) / 255
HAIR_ODDS = np.array([16, 15, 12, 9, 8, 8, 6, 5, 4, 6, 6, 2, 1, 1, 1]) / 100
IRIS_COLOURS = np.array([
    [52, 32, 20], [84, 52, 26], [112, 80, 36], [96, 110, 60], [78, 124, 92], [88, 130, 172],
    [120, 150, 176], [130, 136, 140]]) / 255
HAIR_STYLES = ("bald", "buzz", "short", "quiff", "side", "curly", "afro", "fringe", "bob", "long",
               "tied", "receding", "beanie", "scarf")
STYLE_ODDS = {  # (without, with) long hair preferred
    "bald": (8, 1), "buzz": (12, 2), "short": (17, 5), "quiff": (12, 2), "side": (14, 5),
    "curly": (9, 9), "afro": (5, 6), "fringe": (5, 11), "bob": (2, 14), "long": (3, 24),
    "tied": (2, 10), "receding": (7, 1), "beanie": (4, 3), "scarf": (0, 7)}


@dataclass(frozen=True)
class Shape:
    """Proportions of one head."""

    width: float  # half, at the cheekbones
    top: float
    chin: float
    depth: float  # from the head's axis to the cheeks
    jaw_square: float
    jaw_taper: float
    hairline: float
    eye_x: float
    eye_width: float  # half
    eye_height: float  # half, wide open
    eye_tilt: float
    brow_y: float
    brow_thick: float
    brow_arch: float
    brow_tilt: float
    nose_length: float
    nose_width: float  # half
    nose_out: float
    bridge: float  # half width
    mouth_y: float
    mouth_width: float  # half
    lip_upper: float
    lip_lower: float
    ear: float


@dataclass(frozen=True)
class Look:
    """Colours, textures and what is worn. Colours are (3,) arrays in [0, 1]."""

    skin: np.ndarray
    blotches: float
    blotch_tint: np.ndarray
    freckles: int
    moles: int
    wrinkles: float
    blush: float
    gloss: float  # of the skin, in the lamp's reflection
    lips: np.ndarray
    eye_shadow: np.ndarray
    eye_shadow_strength: float
    liner: float
    iris: np.ndarray
    brow: np.ndarray
    hair: np.ndarray
    hair_tip: np.ndarray
    style: str
    volume: float
    parting: float
    curl: float
    beard: str
    beard_density: float
    glasses: str
    glasses_colour: np.ndarray
    earrings: float
    wear: np.ndarray  # cloth of the head: beanie, scarf
    clothes: np.ndarray
    trim: np.ndarray
    neckline: str


@dataclass(frozen=True)
class Identity:
    """One person; ``texture_seed`` fixes where freckles, moles and strands of hair lie."""

    shape: Shape
    look: Look
    texture_seed: int


def sample_identity(rng):
    """Draw one person from a numpy Generator."""
    feminine = bool(rng.random() < 0.5)
    age = float(rng.random())
    shape = sample_shape(rng, feminine)
    look = Look(**sample_skin(rng, feminine, age), **sample_hair(rng, feminine, age),
                **sample_wear(rng, feminine))
    return Identity(shape, look, int(rng.integers(2 ** 32)))


def around(rng, mean, spread):
    """Normal draw, cut at two deviations."""
    return mean + spread * float(np.clip(rng.standard_normal(), -2, 2))


def sample_shape(rng, feminine):
    strong = 0.0 if feminine else 1.0
    return Shape(
        width=around(rng, 1.12 + 0.04 * strong, 0.075),
        top=around(rng, -1.62, 0.07),
        chin=around(rng, 1.70 + 0.06 * strong, 0.10),
        depth=around(rng, 1.25, 0.07),
        jaw_square=rng.uniform(2.0, 2.7) + 0.35 * strong,
        jaw_taper=rng.uniform(0.60, 0.78) - 0.05 * strong,
        hairline=around(rng, -0.98, 0.09),
        eye_x=around(rng, 0.50, 0.026),
        eye_width=around(rng, 0.265, 0.022),
        eye_height=around(rng, 0.125 + 0.012 * (1 - strong), 0.020),
        eye_tilt=around(rng, 0.025, 0.035),
        brow_y=around(rng, -0.345 + 0.02 * strong, 0.035),
        brow_thick=rng.uniform(0.028, 0.065) + 0.025 * strong,
        brow_arch=rng.uniform(0.02, 0.12),
        brow_tilt=around(rng, 0.0, 0.035),
        nose_length=around(rng, 0.62, 0.055),
        nose_width=around(rng, 0.25 + 0.02 * strong, 0.042),
        nose_out=around(rng, 0.38, 0.06),
        bridge=around(rng, 0.10, 0.018),
        mouth_y=around(rng, 1.03, 0.05),
        mouth_width=around(rng, 0.42, 0.04),
        lip_upper=around(rng, 0.085 - 0.01 * strong, 0.022),
        lip_lower=around(rng, 0.120 - 0.015 * strong, 0.026),
        ear=around(rng, 0.30, 0.04))


def sample_skin(rng, feminine, age):
    position = rng.uniform(0, len(SKIN_TONES) - 1)
    low = int(position)
    skin = SKIN_TONES[low] + (position - low) * (SKIN_TONES[min(low + 1, 9)] - SKIN_TONES[low])
    tint = SKIN_TINTS[rng.integers(len(SKIN_TINTS))]
    skin = np.clip(skin * (1 + rng.uniform(0, 1) * (tint - 1)), 0, 1)
    painted = feminine and rng.random() < 0.65
    natural = skin * np.array([0.86, 0.60, 0.60]) + np.array([0.05, 0.0, 0.01])
    lipstick = np.array([rng.uniform(0.45, 0.9), rng.uniform(0.05, 0.35), rng.uniform(0.1, 0.45)])
    return dict(
        skin=skin,
        blotches=(blotches := rng.uniform(0.015, 0.08)),
        blotch_tint=rng.uniform(0.2, 1.0, 3) * np.array([0.6, 1.0, 1.0]),
        freckles=int(rng.integers(40, 170)) if rng.random() < 0.3 else 0,
        moles=int(rng.integers(0, 5)),
        wrinkles=max(0.0, age * 1.5 - 0.5) * rng.uniform(0.5, 1),
        blush=rng.uniform(0, 0.4) + (0.25 if painted else 0),
        gloss=0.10 + 2 * blotches,
        lips=lipstick if painted and rng.random() < 0.75 else natural,
        eye_shadow=rng.uniform(0.1, 0.8, 3),
        eye_shadow_strength=rng.uniform(0.2, 0.7) if painted and rng.random() < 0.6 else 0.0,
        liner=rng.uniform(0.5, 1.0) if painted else rng.uniform(0.1, 0.35),
        iris=np.clip(IRIS_COLOURS[rng.integers(8)] * rng.uniform(0.8, 1.25), 0, 1))


def sample_hair(rng, feminine, age):
    colour = HAIR_COLOURS[rng.choice(len(HAIR_COLOURS), p=HAIR_ODDS)] * rng.uniform(0.8, 1.15)
    if age > 0.75 and rng.random() < 0.6:
        colour = 0.3 * colour + 0.7 * np.array([0.78, 0.77, 0.76]) * rng.uniform(0.7, 1.1)
    odds = np.array([STYLE_ODDS[name][int(feminine)] for name in HAIR_STYLES], float)
    tip = colour if rng.random() < 0.75 else np.clip(colour * 1.5 + 0.08, 0, 1)
    beards = ("none", "stubble", "moustache", "goatee", "full")
    odds_beard = [1, 0, 0, 0, 0] if feminine else [0.38, 0.2, 0.12, 0.12, 0.18]
    return dict(
        brow=np.clip(colour * rng.uniform(0.45, 0.95), 0, 1),
        hair=np.clip(colour, 0, 1),
        hair_tip=tip,
        style=str(rng.choice(HAIR_STYLES, p=odds / odds.sum())),
        volume=rng.uniform(0.0, 1.0),
        parting=rng.uniform(-1, 1),
        curl=rng.uniform(0, 1),
        beard=str(rng.choice(beards, p=odds_beard)),
        beard_density=rng.uniform(0.55, 1.0))


def dye(rng):
    """A colour of cloth: any brightness, seldom garish."""
    grey, vivid = rng.uniform(0.1, 0.85), rng.uniform(0.1, 0.9)
    return np.clip(grey + vivid * (rng.random(3) - 0.5), 0.03, 0.95)


def sample_wear(rng, feminine):
    styles = ("none", "round", "square", "wide", "half")
    return dict(
        glasses=str(rng.choice(styles, p=[0.74, 0.07, 0.08, 0.06, 0.05])),
        glasses_colour=rng.uniform(0.02, 0.35, 3) * (1 if rng.random() < 0.8 else 2.5),
        earrings=float(feminine and rng.random() < 0.4) * rng.uniform(0.05, 0.1),
        wear=dye(rng),
        clothes=dye(rng),
        trim=dye(rng),
        neckline=str(rng.choice(["round", "collar", "vee", "high"])))
