"""Skin: its colour all over the head, its relief, and how light falls on it."""

import numpy as np

from data_loader.face_renderer.canvas import smooth_noise

DEPTH = np.array([0.72, 1.0, 1.1])  # light goes deep into skin and comes out red: soft red shadows


def light_on(normal, photo):
    """Brightness (h, h) of a matt surface: soft, so that the far side is never black."""
    x, y, z = (float(value) for value in photo.light)
    toward = x * normal[0] + y * normal[1] + z * normal[2]
    return photo.ambient + (1.12 - photo.ambient) * np.maximum(0.18 + 0.82 * toward, 0)


def gloss_on(normal, photo):
    """Brightness (h, h) of the lamp's reflection, halfway between the lamp and the camera."""
    x, y, z = (float(value) for value in photo.light + [0, 0, 1])
    half = (x * normal[0] + y * normal[1] + z * normal[2]) * (1 / np.sqrt(x * x + y * y + z * z))
    half = np.maximum(half, 0) ** 4
    half *= half
    return half * half


def relief(field, shape):
    """Normals (3, h, h) bent by cheeks, sockets, brow ridge, chin and the mouth's mound."""
    mounds = [(0.60, 0.42, 0.30, 0.26, 0.13), (-0.60, 0.42, 0.30, 0.26, 0.13),
              (shape.eye_x, 0.0, 0.25, 0.16, -0.13), (-shape.eye_x, 0.0, 0.25, 0.16, -0.13),
              (0.0, -0.42, 0.62, 0.13, 0.06), (0.0, shape.chin - 0.24, 0.24, 0.17, 0.09),
              (0.0, shape.mouth_y, 0.40, 0.24, 0.06)]
    normal = field.normal.copy()
    for x, y, width, height, rise in mounds:
        spot = field.blob(x, y, width, height)
        normal[0] += spot * ((field.x - x) * (rise / width ** 2))
        normal[1] += spot * ((field.y - y) * (rise / height ** 2))
    return normal / np.sqrt((normal ** 2).sum(axis=0))


def lit_skin(field, identity, shade, gloss):
    """Colour (S, S, 3) of the bare skin in the light ``shade`` and ``gloss``, (h, h)."""
    shape, look = identity.shape, identity.look
    colour = np.empty((3, *field.x.shape), np.float32)
    colour[:] = look.skin[:, None, None]
    flush = field.blob(0.62, 0.55, 0.26, 0.22) + field.blob(-0.62, 0.55, 0.26, 0.22)
    flush += 0.5 * field.blob(0, shape.nose_length * 0.9, 0.2, 0.15)
    tint(colour, look.blush * flush, (0.98, 0.72, 0.72))
    rings = sum(field.blob(side * shape.eye_x, 0.12, 0.26, 0.12) for side in (-1, 1))
    tint(colour, (0.25 + 0.4 * look.wrinkles) * rings, (0.82, 0.74, 0.76))
    if look.beard in ("stubble", "full", "goatee"):
        lower = beard_area(field, shape)
        tint(colour, 0.4 * look.beard_density * lower, (0.62, 0.64, 0.68))
    blotches = look.blotches * skin_noise(np.random.default_rng(identity.texture_seed), field)
    channels = [field.up(channel * shade ** depth + gloss) * (1 + float(share) * blotches)
                for channel, share, depth in zip(colour, look.blotch_tint, DEPTH.tolist())]
    return np.stack(channels, axis=-1)


def skin_noise(rng, field):
    """Blotches (S, S) that stick to the face: looked up by longitude and height."""
    coarse, fine = (smooth_noise(rng, (cells, cells), (128, 128)) for cells in (14, 48))
    texture = coarse + 0.6 * fine
    column = np.clip((field.longitude + np.pi / 2) * (127 / np.pi), 0, 127)
    row = np.clip((field.y + 1.8) * (127 / 3.8), 0, 127)
    return texture[field.up(row).astype(np.intp), field.up(column).astype(np.intp)]


def tint(colour, amount, factor):
    """Multiply the colour (3, h, w) by ``factor`` (3,) where ``amount`` (h, w) is one."""
    amount = np.minimum(amount, 1)
    for channel, value in zip(colour, factor):
        channel *= 1 + (value - 1) * amount


def beard_area(field, shape):
    """Soft mask (h, h) of where a beard grows."""
    start = 0.74 + 0.32 * np.maximum(np.cos(3 * field.longitude), 0)
    jaw = 1 / (1 + np.exp(-14 * (field.y - start)))
    beside = np.abs(field.x) - (0.80 * shape.width - 0.15 * field.y)
    sides = 1 / (1 + np.exp(-12 * beside) + np.exp(-16 * (field.y - 0.2)))
    return np.minimum(jaw + sides + field.blob(0, shape.mouth_y - 0.17, 0.36, 0.07), 1)


def paint_marks(canvas, scene):
    """Freckles, moles and wrinkles."""
    look, skull = scene.look, scene.anatomy.skull
    rng = np.random.default_rng([scene.identity.texture_seed, 1])
    if look.freckles:
        x = np.clip(rng.normal(0, 0.5, look.freckles), -0.95, 0.95)
        y = rng.normal(0.32, 0.22, look.freckles)
        dots = dot_outlines(scene, skull.lift(x, y), rng.uniform(0.008, 0.02, look.freckles))
        canvas.fill(dots, look.skin * np.array([0.70, 0.52, 0.40]), 0.6, lit=0.8)
    if look.moles:
        x, y = rng.uniform(-0.85, 0.85, look.moles), rng.uniform(-0.7, 1.4, look.moles)
        dots = dot_outlines(scene, skull.lift(x, y), rng.uniform(0.016, 0.034, look.moles))
        canvas.fill(dots, look.skin * 0.35, 0.8)
    if look.wrinkles > 0.1:
        paint_wrinkles(canvas, scene, rng)


def dot_outlines(scene, points, radii):
    """Small hexagons (6, 2) facing the camera around head points."""
    angle = np.arange(6) * (np.pi / 3)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * scene.camera.scale
    return list(scene.project(points)[:, None] + radii[:, None, None] * ring)


def paint_wrinkles(canvas, scene, rng):
    shape, unit = scene.shape, scene.camera.scale
    x, y = [], []
    for row in range(3):
        x.append(np.linspace(-0.5, 0.5, 6) * rng.uniform(0.8, 1.1))
        y.append(shape.brow_y - 0.2 - 0.14 * row - 0.03 * np.cos(4 * x[-1])
                 + rng.normal(0, 0.008, 6))
    t = np.linspace(0, 1, 6)
    for side in (-1, 1):
        x.append(side * (shape.nose_width + 0.06 + 0.26 * t ** 0.8))
        y.append(shape.nose_length * 0.95 + 0.42 * t)
        for fold in (-0.05, 0.06, 0.16):
            x.append(side * (shape.eye_x + shape.eye_width + 0.05 + 0.14 * t))
            y.append(fold + fold * t)
    points = scene.project(scene.anatomy.skull.lift(np.concatenate(x), np.concatenate(y)))
    canvas.stroke(np.split(points, len(x)), 0.026 * unit, scene.look.skin * 0.5,
                  0.6 * scene.look.wrinkles, blur=0.012 * unit)
