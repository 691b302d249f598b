"""Painting ears, eyes, brows, nose and mouth. Left and right are filled in one go."""

import numpy as np

from data_loader.face_renderer.anatomy import LEFT, RIGHT

SIDES = (LEFT, RIGHT)


def circle(points):
    """Unit circle in the plane of the face, (points, 3)."""
    angle = np.arange(points) * (2 * np.pi / points)
    return np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)


def shrink(outline, factor):
    middle = outline.mean(axis=0)
    return middle + factor * (outline - middle)


def paint_ears(canvas, scene):
    """Painted before the head, whose cheeks then cover the inner part."""
    shape, unit, ring = scene.shape, scene.camera.scale, circle(16)
    wide = float(scene.anatomy.skull.half_width(0.1)) + 0.055
    leaf = np.stack([0.10 * ring[:, 0] * (1 - 0.4 * ring[:, 1]),
                     shape.ear * ring[:, 1] * (1 - 0.18 * ring[:, 0]) + 0.16,
                     -0.55 * shape.ear * ring[:, 0]], axis=1)
    ears = [scene.project((leaf + [wide, 0, 0]) * [side, 1, 1]) for side in SIDES]
    canvas.fill(ears, scene.look.skin * 0.92, lit=0.9)
    canvas.fill([shrink(ear, 0.55) for ear in ears], scene.look.skin * 0.55, 0.7,
                blur=0.02 * unit, lit=0.9)
    if scene.look.earrings:
        drop = scene.look.earrings * ring + [wide, 0.22 + shape.ear, 0.05]
        canvas.fill([scene.project(drop * [side, 1, 1]) for side in SIDES], scene.look.trim)


def paint_eyes(canvas, scene):
    look, anatomy = scene.look, scene.anatomy
    paint_lid_colour(canvas, scene)
    opening = canvas.cover([scene.project(anatomy.eye_opening(side)) for side in SIDES], fine=8)
    if opening is None:
        return
    canvas.paint(opening, (0.84, 0.81, 0.79), lit=0.8)
    inside = canvas.full(opening)
    irises = [scene.project(anatomy.iris(side, 0.118)) for side in SIDES]
    for share, colour in ((1, look.iris * 0.45), (0.83, look.iris), (0.46, (0.02, 0.02, 0.03))):
        discs = [shrink(iris, share) for iris in irises]
        canvas.fill(discs, colour, clip=inside, fine=8)
    shift = 0.045 * scene.camera.scale * np.array([np.sign(scene.photo.light[0]), -1])
    sparks = [shrink(iris, 0.32) + shift for iris in irises]
    canvas.fill(sparks, (1, 1, 1), 0.8, clip=inside, fine=8)
    paint_lashes(canvas, scene, inside)


def paint_lid_colour(canvas, scene):
    """Eye shadow and the crease above the lid."""
    anatomy, look, unit = scene.anatomy, scene.look, scene.camera.scale
    t = np.linspace(-1.1, 1.05, 9)
    on_lid = np.clip(t, -1, 1)
    creases, areas = [], []
    for side in SIDES:
        crease = anatomy.lid(side, on_lid, True)
        crease[:, 1] -= 0.075 + 0.05 * np.maximum(1 - t ** 2, 0)
        crease[:, 0] += (on_lid - t) * side * 0.2
        creases.append(scene.project(crease))
        if look.eye_shadow_strength:
            lid = anatomy.lid(side, on_lid[::-1], True)
            areas.append(scene.project(np.concatenate([crease - [0, 0.04, 0], lid])))
    if areas:
        canvas.fill(areas, look.eye_shadow, look.eye_shadow_strength, blur=0.03 * unit, lit=1.0)
    canvas.stroke(creases, 0.035 * unit, look.skin * 0.5, 0.55, blur=0.015 * unit, lit=1.0)


def paint_lashes(canvas, scene, inside):
    anatomy, look, unit = scene.anatomy, scene.look, scene.camera.scale
    t = np.linspace(-1.0, 1.0, 11)
    dark, upper, lower = look.skin * 0.16, [], []
    for side in SIDES:
        lid = anatomy.lid(side, t, True)
        if look.liner > 0.5:
            lid = np.concatenate([lid[:1] + [side * 0.10, -0.06, 0], lid])
        upper.append(scene.project(lid))
        lower.append(scene.project(anatomy.lid(side, t, False)))
    canvas.stroke(upper, 0.14 * unit, (0.1, 0.08, 0.1), 0.5, blur=0.03 * unit, clip=inside)
    canvas.stroke(upper, (0.035 + 0.035 * look.liner) * unit, dark, 0.6 + 0.4 * look.liner, fine=8)
    canvas.stroke(lower, 0.028 * unit, look.skin * 0.42, 0.45 + 0.4 * look.liner, fine=8, lit=1.0)


def paint_brows(canvas, scene):
    t = np.linspace(0, 1, 9)
    half = scene.shape.brow_thick * np.interp(t, [0, 0.25, 0.85, 1], [0.15, 0.75, 1.0, 0.75])
    shift = half[:, None] * np.array([0, 1, 0])
    outlines = []
    for side in SIDES:
        line = scene.anatomy.brow(side, t)
        outlines.append(scene.project(np.concatenate([line - shift, (line + shift)[::-1]])))
    canvas.fill(outlines, scene.look.brow, 0.85, blur=0.012 * scene.camera.scale, fine=8, lit=1.0)


def paint_nose(canvas, scene):
    """The nose stands out of the face: a body over the cheek behind it, two lit flanks, a tip."""
    anatomy, unit, shape = scene.anatomy, scene.camera.scale, scene.shape
    ridge = anatomy.ridge(np.linspace(0, 1, 6))
    base = anatomy.nose_base(np.array([-1.0, 0.0, 1.0]))
    wings = {side: anatomy.wing(side) for side in SIDES}
    for side in SIDES:
        root = anatomy.skull.lift(side * shape.bridge * np.array([1.5, 1.6]),
                                  np.array([-0.05, 0.3 * shape.nose_length]))
        flank = np.concatenate([ridge, base[1:2], wings[side][5::-1], root[::-1]])
        canvas.fill(scene.project(flank), scene.skin, 0.8, blur=0.022 * unit,
                    gain=0.93 + 0.30 * side * scene.side_light)
    under = np.concatenate([base, wings[RIGHT][4:5], ridge[-1:] + [0, 0.03, 0], wings[LEFT][4:5]])
    canvas.fill(scene.project(under), scene.skin, 0.8, blur=0.02 * unit, gain=0.72)
    canvas.fill([scene.project(anatomy.nostril(side)) for side in SIDES], scene.look.skin * 0.16,
                0.8, blur=0.012 * unit, fine=8)
    canvas.stroke([scene.project(wings[side][2:]) for side in SIDES], 0.035 * unit, scene.skin,
                  0.75, blur=0.012 * unit, gain=0.55)
    tip = ridge[-1] + 0.07 * circle(10) * [1, 0.8, 0] - [0, 0.02, 0]
    canvas.stroke(scene.project(ridge[1:]), 0.07 * unit, scene.skin, 0.45, blur=0.03 * unit,
                  gain=1.3)
    canvas.fill(scene.project(tip), scene.skin, 0.6, blur=0.03 * unit, gain=1.35)


def paint_mouth(canvas, scene):
    look, unit, anatomy = scene.look, scene.camera.scale, scene.anatomy
    upper, lower, opening = (scene.project(outline) for outline in anatomy.lips())
    canvas.fill(lower + [0, 0.10 * unit], scene.skin, 0.45, blur=0.05 * unit, gain=0.62)
    is_open = scene.photo.mouth_open > 0.03
    if is_open:
        paint_mouth_inside(canvas, scene, canvas.cover(opening, fine=8))
    canvas.fill(upper, look.lips * 0.82, 0.92, fine=8, lit=1.0)
    canvas.fill(lower, look.lips, 0.92, fine=8, lit=1.0)
    canvas.fill(shrink(lower, 0.45), look.lips * 0.9 + 0.25, 0.45, blur=0.03 * unit, lit=1.0)
    if not is_open:
        line = scene.project(anatomy.inner_lip(np.linspace(-1, 1, 13), True))
        canvas.stroke(line, 0.032 * unit, look.lips * 0.32, 0.85, fine=8)


def paint_mouth_inside(canvas, scene, opening):
    if opening is None:
        return
    anatomy, inside = scene.anatomy, canvas.full(opening)
    canvas.paint(opening, (0.16, 0.04, 0.05))
    upper = anatomy.inner_lip(np.linspace(-0.9, 0.9, 9), True)
    teeth = np.concatenate([upper - [0, 0.02, 0], upper[::-1] + [0, 0.095, 0]])
    canvas.fill(scene.project(teeth), (0.92, 0.90, 0.85), 0.95, clip=inside, lit=0.8)
    tongue = anatomy.inner_lip(np.linspace(-0.63, 0.63, 9), False) - [0, 0.05, 0]
    canvas.fill(scene.project(tongue), (0.62, 0.25, 0.26), 0.8, blur=0.03 * scene.camera.scale,
                clip=inside)
