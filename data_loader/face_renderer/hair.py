"""Hair, beards and what is worn on the head."""

import numpy as np

from data_loader.face_renderer.anatomy import LEFT, RIGHT
from data_loader.face_renderer.canvas import Patch, smooth_noise
from data_loader.face_renderer.features import circle
from data_loader.face_renderer.geometry import EQUATOR
from data_loader.face_renderer.haircut import hairline
from data_loader.face_renderer.skin import beard_area

WOVEN = ("beanie", "scarf")


def hair_colours(scene):
    """Colour (S, S, 3) of hair or cloth in the light, for the whole picture."""
    return cloth(scene) if scene.look.style in WOVEN else strands(scene)


def strands(scene):
    """Hair streaked from the crown outwards, with a band of gloss around the head."""
    look, across, down = scene.look, scene.across, scene.down
    rng = np.random.default_rng([scene.identity.texture_seed, 2])
    curly = look.style in ("curly", "afro", "buzz")
    texture = smooth_noise(rng, (26, 40) if curly else (5, 60), (96, 192))
    texture = texture + smooth_noise(rng, (64, 100) if curly else (4, 120), (96, 192))
    depth = np.maximum(down + 1.55, 0.6 if look.style == "quiff" else 0.15)
    angle = np.arctan2(across - np.float32(0.4 * look.parting), depth)
    angle += np.float32(0.12 * look.curl) * np.sin(7 * down)
    column = np.clip(angle * np.float32(191 / np.pi) + 95.5, 0, 191).astype(np.intp)
    row = np.clip((down + 2.6) * np.float32(95 / 5.4), 0, 95).astype(np.intp)
    grain = 0.16 * texture[row, column]
    light = scene.shade * (1 + grain)
    if not curly:
        ring = (down + 1.1 - 0.3 * np.abs(across)) * 4.5
        light += 0.5 * np.exp(-ring * ring) * (0.6 + 2 * grain)
    fade = np.clip((down + 0.6) * (1 / 2.2), 0, 1)
    root, tip = look.hair + 0.015, look.hair_tip + 0.015
    return np.stack([(a + (b - a) * fade) * light for a, b in zip(root.tolist(), tip.tolist())], -1)


def cloth(scene):
    """A beanie's ribs or a scarf's folds."""
    if scene.look.style == "beanie":
        ribs = 0.10 * np.sin(26 * scene.field.up(scene.field.longitude))
    else:
        ribs = 0.06 * np.sin(6 * scene.down + 5 * scene.across)
    light = scene.shade * (1 + ribs)
    return light[..., None] * scene.look.wear.astype(np.float32)


def roughen(points, scene, tag):
    """Move an outline's points at random by the cut's raggedness; fixed for a person."""
    rng = np.random.default_rng([scene.identity.texture_seed, 3, tag])
    return points + rng.normal(0, scene.cut.ragged * scene.camera.scale, points.shape)


def paint_back_hair(canvas, scene, colour):
    """What hangs behind the neck; the head is painted over it later."""
    cut, yaw = scene.cut, scene.camera.yaw
    if scene.look.style == "tied":
        paint_bun(canvas, scene, colour)
    if cut is None or cut.back is None:
        return
    outer = scene.anatomy.skull.grown(cut.wide, cut.height)
    top = outer.heights[outer.heights < EQUATOR][::2]
    rows = np.linspace(0.1, 1, 10)
    inward = np.interp(rows, [0, 0.7, 0.9, 1], [1, 1.04, 0.95, 0.70])[:, None]
    sides = []
    for right in (False, True):
        falling = np.repeat(outer.side(np.array([EQUATOR]), yaw, right), len(rows), axis=0)
        falling[:, 1] += (cut.back - EQUATOR) * rows
        falling[:, [0, 2]] *= inward
        sides.append(np.concatenate([outer.side(top, yaw, right), falling]))
    outline = scene.project(np.concatenate([sides[0], sides[1][::-1]]))
    canvas.fill(roughen(outline, scene, 0), colour, gain=0.62)


def paint_bun(canvas, scene, colour):
    radius = 0.30 + 0.18 * scene.look.volume
    place = [0.4 * scene.look.parting, scene.shape.top - 0.05, -0.3]
    canvas.fill(scene.project(radius * circle(20) + place), colour, gain=0.85)


def paint_hair(canvas, scene, colour):
    """The hair on the skull, its fringe, and the curtains beside the face."""
    cut, yaw, unit = scene.cut, scene.camera.yaw, scene.camera.scale
    if cut is None:
        return
    line = visible_hairline(scene)
    outer = scene.anatomy.skull.grown(cut.puff, cut.height)
    heights = outer.heights[::2]
    left = outer.side(heights[heights < line[0, 1]], yaw, False)
    right = outer.side(heights[heights < line[-1, 1]], yaw, True)
    crown = roughen(scene.project(np.concatenate([left[::-1], right])), scene, 1)
    rim = scene.project(line[::-1])
    shadow = np.concatenate([crown, rim + [0, 0.05 * unit]])
    canvas.fill(shadow, scene.skin, 0.5 * cut.opacity, blur=0.05 * unit, clip=scene.head, gain=0.6)
    canvas.fill(np.concatenate([crown, rim]), colour, cut.opacity, blur=cut.soft * unit)
    if cut.curtain is not None:
        paint_curtains(canvas, scene, colour, outer)


def visible_hairline(scene):
    """The hairline (N, 3) from the left rim of the head to the right one."""
    cut, skull = scene.cut, scene.anatomy.skull
    left, right = skull.rim(np.array([-0.3]), scene.camera.yaw)
    longitude = np.linspace(left[0], right[0], 41)
    y = hairline(cut, scene.shape, longitude)
    if scene.look.style not in WOVEN:
        rng = np.random.default_rng([scene.identity.texture_seed, 4])
        jags = rng.normal(0, 0.02 if cut.fringe is None else 0.035, 181)
        nearest = np.rint(np.degrees(longitude) / 2).astype(int) + 90
        y = y + jags[np.clip(nearest, 0, 180)] * (np.abs(longitude) < 1.1)
    return skull.at(longitude, y)


def paint_curtains(canvas, scene, colour, outer):
    cut, skull, yaw = scene.cut, scene.anatomy.skull, scene.camera.yaw
    y = np.linspace(-1.25, cut.curtain, 14)
    on_head = np.minimum(y, 0.55)
    open_at = np.interp(y, [-1.25, -0.9, 0.2, 1.2], [0.25, 0.75, 1.12, 1.05])
    spread = np.interp(y, [-0.5, 1.0], [1, 1 + 0.5 * cut.wide])
    spread *= np.interp(y, [cut.curtain - 0.3, cut.curtain], [1, 0.92])
    left, right = skull.rim(on_head, yaw)
    outlines = []
    for side in (LEFT, RIGHT):
        inner = skull.at(np.clip(side * open_at, left, right), on_head)
        edge = outer.side(on_head, yaw, side == RIGHT)
        edge[:, [0, 2]] *= spread[:, None]
        inner[:, 1], edge[:, 1] = y, y
        outline = scene.project(np.concatenate([inner, edge[::-1]]))
        outlines.append(roughen(outline, scene, 5 + side))
    canvas.fill(outlines, colour, blur=0.015 * scene.camera.scale)


def paint_beard(canvas, scene):
    """Moustache, goatee, stubble or full beard, as a grainy soft mask."""
    look, field, shape = scene.look, scene.field, scene.shape
    if look.beard == "none":
        return
    lip = shape.mouth_y - shape.lip_upper - 0.06
    down = (field.y - lip - 0.12 * field.x ** 2) / 0.085
    moustache = np.exp(-(field.x / 0.36) ** 4 - down ** 4)
    if look.beard == "goatee":
        chin = field.blob(0, scene.anatomy.skull.chin - 0.18, 0.26, 0.24)
        area = np.maximum(moustache, 1.3 * np.minimum(chin, 0.77))
    elif look.beard == "moustache":
        area = moustache
    else:
        area = beard_area(field, shape) * (0.5 if look.beard == "stubble" else 1.0)
    rng = np.random.default_rng([scene.identity.texture_seed, 6])
    grain = 0.85 + 0.25 * smooth_noise(rng, (90, 120), scene.head.shape)
    alpha = np.clip(field.up(area) * grain * look.beard_density, 0, 1) * scene.head
    everything = (slice(None), slice(None))
    canvas.paint(Patch(everything, alpha), look.hair * (0.56 + 0.24 * look.beard_density), lit=1.0)
