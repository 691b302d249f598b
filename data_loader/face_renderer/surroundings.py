"""Everything around the face: background, neck, clothes and glasses."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from data_loader.face_renderer.anatomy import LEFT, RIGHT
from data_loader.face_renderer.canvas import smooth_noise


def backdrop(seed, size):
    """A picture (S, S, 3) in [0, 1] to stand behind the person, mostly out of focus."""
    rng = np.random.default_rng(seed)
    corners = np.array(random_colour(rng)) / 255 + rng.normal(0, 0.13, (2, 2, 1))
    corners = corners + rng.normal(0, 0.05, (2, 2, 3))
    image = Image.fromarray((np.clip(corners, 0, 1) * 255).astype(np.uint8))
    image = image.resize((size, size), Image.Resampling.BILINEAR)
    kind = rng.integers(4)
    if kind:
        draw = ImageDraw.Draw(image)
        (draw_discs, draw_blocks, draw_stripes)[kind - 1](draw, rng, size)
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.006, 0.05) * size))
    clouds = smooth_noise(rng, (int(rng.integers(3, 30)),) * 2, (size, size))
    clouds = 1 + np.float32(rng.uniform(0.02, 0.16)) * clouds
    return np.asarray(image, np.float32) * (clouds * np.float32(1 / 255))[..., None]


def random_colour(rng):
    """Any brightness, seldom garish: 8-bit (r, g, b)."""
    grey, vivid = rng.uniform(0.08, 0.92), rng.uniform(0, 1) ** 2
    colour = grey + (rng.random(3) - 0.5) * (0.12 + 0.5 * vivid)
    return tuple((np.clip(colour, 0, 1) * 255).astype(int).tolist())


def draw_discs(draw, rng, size):
    """Lights out of focus, or leaves."""
    palette = [random_colour(rng) for _ in range(4)]
    for x, y, r in rng.random((int(rng.integers(8, 40)), 3)) * size:
        r = 0.02 * size + 0.12 * r
        draw.ellipse((x - r, y - r, x + r, y + r), fill=palette[rng.integers(4)])


def draw_blocks(draw, rng, size):
    """Furniture, houses, books."""
    palette = [random_colour(rng) for _ in range(4)]
    for x, y, w, h in rng.random((int(rng.integers(5, 16)), 4)) * size:
        draw.rectangle((x, y, x + 0.5 * w, y + 0.8 * h), fill=palette[rng.integers(4)])


def draw_stripes(draw, rng, size):
    """Blinds, fences, panelling."""
    colour, step, slant = random_colour(rng), rng.uniform(0.05, 0.25) * size, rng.normal(0, 0.4)
    for start in np.arange(-size, 2 * size, step):
        draw.line((start, 0, start + slant * size, size), fill=colour, width=max(1, int(step / 2)))


def paint_body(canvas, scene):
    """Neck, shoulders and collar; they follow the head only in part."""
    camera, look, unit = scene.camera, scene.look, scene.camera.scale
    jaw = camera.project(np.array([0.0, scene.shape.chin, scene.shape.depth * 0.88]))
    canvas.light = scene.body_light
    nape = camera.project(np.array([0.0, 1.0, -0.1]))
    origin = np.array([0.7 * nape[0] + 0.3 * jaw[0], nape[1]])
    wide = 0.60 * scene.shape.width
    neck = np.array([[-wide, -0.6], [wide, -0.6], [wide * 0.95, 0.7], [wide * 1.5, 1.6],
                     [-wide * 1.5, 1.6], [-wide * 0.95, 0.7]]) * unit + origin
    t = np.linspace(0, 1, 8)
    slope = np.stack([wide * 1.05 + 2.0 * t, 0.80 + 0.55 * t ** 1.2 + 0.7 * t ** 6], axis=1)
    shoulders = np.concatenate([slope, [[3.0, 4.0], [-3.0, 4.0]], slope[::-1] * [-1, 1]])
    body = canvas.cover(shoulders * unit + origin)
    tone = look.skin * 0.82
    necks = canvas.cover(neck)
    canvas.paint(necks, tone, lit=0.8)
    canvas.paint(body, look.clothes, lit=0.6)
    paint_neckline(canvas, scene, origin, wide, tone)
    visible = np.maximum(canvas.full(necks), canvas.full(body))
    paint_neck_shadow(canvas, scene, visible)
    canvas.light = scene.shade


def paint_neckline(canvas, scene, origin, wide, tone):
    look, unit = scene.look, scene.camera.scale
    dip = {"round": 1.25, "vee": 1.7, "collar": 1.45, "high": 0.9}[look.neckline]
    bend = 1.0 if look.neckline in ("vee", "collar") else 2.2
    t = np.linspace(-1, 1, 13)
    edge = np.stack([wide * 1.05 * t, 0.78 + (dip - 0.78) * (1 - np.abs(t) ** bend)], axis=1)
    edge = edge * unit + origin
    canvas.fill(edge, tone, lit=0.8)
    canvas.stroke(edge, (0.22 if look.neckline == "high" else 0.12) * unit, look.trim, lit=0.6)


def paint_neck_shadow(canvas, scene, visible):
    """The head's shadow on the neck and the shoulders."""
    unit, skull = scene.camera.scale, scene.anatomy.skull
    y = skull.chin * np.sin(np.linspace(0.4, np.pi / 2, 8))
    down = np.array([-0.10 * scene.photo.light[0], 0.18]) * unit
    canvas.fill(scene.project(skull.outline(y, scene.camera.yaw)) + down, scene.look.skin * 0.3,
                0.55, blur=0.07 * unit, clip=visible)


def paint_glasses(canvas, scene):
    look, shape, unit = scene.look, scene.shape, scene.camera.scale
    if look.glasses == "none":
        return
    wide, high, square = {"round": (0.36, 0.34, 2.0), "square": (0.40, 0.30, 4.5),
                          "wide": (0.42, 0.36, 2.8), "half": (0.38, 0.26, 3.2)}[look.glasses]
    plane = float(scene.anatomy.skull.lift(shape.eye_x, 0.0)[2]) + 0.16
    angle = np.linspace(0, 2 * np.pi, 33)
    cos, sin = np.cos(angle), np.sin(angle)
    x = wide * np.sign(cos) * np.abs(cos) ** (2 / square)
    y = high * np.sign(sin) * np.abs(sin) ** (2 / square) + 0.05
    lenses = [scene.project(np.stack([x + side * (shape.eye_x + 0.02), y, 0 * x + plane], axis=1))
              for side in (LEFT, RIGHT)]
    canvas.fill(lenses, (0.85, 0.9, 0.95), 0.10)
    frames = [lens[16:] if look.glasses == "half" else lens for lens in lenses]
    for side in (LEFT, RIGHT):
        if side * scene.camera.yaw <= 0.12:  # the temple on the far side is hidden
            frames.append(scene.project(np.array([
                [side * (shape.eye_x + wide), -0.05, plane], [side * shape.width, -0.05, 0.1]])))
    gap = shape.eye_x - wide + 0.03
    frames.append(scene.project(np.array([[-gap, 0, plane], [0, -0.06, plane + 0.1],
                                          [gap, 0, plane]])))
    canvas.stroke(frames, (0.085 if look.glasses == "square" else 0.055) * unit,
                  np.minimum(look.glasses_colour, 1), 0.95)
