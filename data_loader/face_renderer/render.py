"""From a person and a photograph to a picture and its landmarks."""

import numpy as np
from PIL import Image, ImageFilter

from data_loader.face_renderer import features, hair, skin, surroundings
from data_loader.face_renderer.anatomy import Anatomy
from data_loader.face_renderer.canvas import Canvas
from data_loader.face_renderer.field import Field, pixel_grid
from data_loader.face_renderer.geometry import aim_camera
from data_loader.face_renderer.haircut import cut_of


class Scene:
    """One person in one photograph: what every painter needs to know."""

    def __init__(self, identity, photo, size):
        self.identity, self.photo = identity, photo
        self.shape, self.look = identity.shape, identity.look
        self.anatomy = Anatomy(identity.shape, photo)
        self.camera = aim_camera(photo, size, self.anatomy.five())
        self.project = self.camera.project
        self.cut = cut_of(identity.look)
        self.across, self.down = pixel_grid(self.camera, size, size)
        self.field = Field(self.anatomy.skull, self.camera, size)
        normal = skin.relief(self.field, self.shape)
        shade = skin.light_on(normal, photo)
        gloss = (identity.look.gloss * (1.1 - photo.ambient)) * skin.gloss_on(normal, photo)
        self.shade = self.field.up(shade)
        slope = np.clip(self.across * (0.6 * photo.light[0]), -0.8, 0.8)
        self.body_light = photo.ambient + (1 - photo.ambient) * (0.75 + 0.5 * slope)
        self.skin = skin.lit_skin(self.field, identity, shade, gloss)
        self.side_light = float(np.clip(photo.light[0], -0.8, 0.8)) * (1 - photo.ambient) * 1.2
        self.head = None  # coverage (S, S) of the head, once it is painted


def paint(scene, size):
    """The finished picture, float32 (S, S, 3), about [0, 1]."""
    canvas = Canvas(surroundings.backdrop(scene.photo.backdrop_seed, size), scene.shade)
    hair_colour = hair.hair_colours(scene)
    hair.paint_back_hair(canvas, scene, hair_colour)
    surroundings.paint_body(canvas, scene)
    features.paint_ears(canvas, scene)
    skull = scene.anatomy.skull
    head = canvas.cover(scene.project(skull.outline(skull.heights, scene.camera.yaw)))
    canvas.paint(head, scene.skin)
    scene.head = canvas.full(head)
    skin.paint_marks(canvas, scene)
    features.paint_eyes(canvas, scene)
    features.paint_mouth(canvas, scene)
    hair.paint_beard(canvas, scene)
    features.paint_nose(canvas, scene)
    features.paint_brows(canvas, scene)
    hair.paint_hair(canvas, scene, hair_colour)
    surroundings.paint_glasses(canvas, scene)
    return canvas.image


def develop(image, photo, rng):
    """What the camera does: light colour, exposure, contrast, blur, noise. Returns uint8."""
    gain = photo.exposure * photo.contrast * photo.warmth
    image = image * gain.astype(np.float32) + np.float32(0.5 - 0.5 * photo.contrast)
    image += photo.noise * rng.standard_normal(image.shape, dtype=np.float32)
    image = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    blur = photo.blur * len(image)
    if blur < 0.2:
        return image
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(blur)))


def render(identity, photo, size, num_landmarks, noise_rng):
    """Return the picture, uint8 (S, S, 3), and landmarks, float32 (K, 2), (x, y) in pixels."""
    scene = Scene(identity, photo, size)
    image = develop(paint(scene, size), photo, noise_rng)
    points = scene.anatomy.landmarks(num_landmarks, scene.camera.yaw)
    return image, scene.project(points).astype(np.float32)
