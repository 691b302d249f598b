"""A trained network with methods that take images."""

import os
from dataclasses import dataclass

import torch

from data_loader.augmentation import normalise
from inference.arguments import (
    as_points,
    is_one_image,
    parts_of,
    require_batch_size,
    require_inside,
)
from inference.images import as_rgb
from inference.matching import PROTOCOLS, match_maps
from inference.view import Seen, View
from model.compute_descriptors import compute_descriptors
from model.loss import cell_stride
from utils.config.objects import look_up
from utils.cores import read_ahead
from utils.device import usable_device
from utils.errors import UserError, config_errors
from utils.geometry.coordinates import to_pixels

BATCH_SIZE = 32


@dataclass(frozen=True)
class Embedding:
    """The descriptors of one image, (C, h, w), and the ``View`` that relates cells to pixels."""

    descriptors: torch.Tensor
    view: View

    @property
    def stride(self):
        """Pixels of the network's input between the centres of neighbouring cells."""
        with config_errors("dataset.args"):
            return cell_stride(self.descriptors.shape[-2:], self.view.input_size)

    def places(self):
        """Return the centres of the cells, (h, w, 2), (x, y) in pixels of the image."""
        h, w = self.descriptors.shape[-2:]
        cells = torch.meshgrid(torch.arange(w), torch.arange(h), indexing="xy")
        return self.view.to_image(self.stride * torch.stack(cells, dim=-1).float())


class Model:
    """A network with trained weights.

    Methods take one image or several (a sequence, or an array or tensor of four dimensions), of any
    sizes and of the kinds that ``inference.images.as_rgb`` lists, and return one result or several.
    Points are (x, y) in pixels of the image as given, with its EXIF orientation applied;
    ``inference.view`` relates them to the network's input.

    box: cuts an object out of an image as in a training on boxes: (left, top, right, bottom) in
    pixels, 0 being the left edge of the image's first pixel. One image takes one box, or (B, 4) for
    B results; N images take (N, 4). Results are in pixels of the whole image.

    backbone: module, images to descriptors.
    viewer: ``inference.view.Viewer``.
    head: module, descriptors to landmarks (B, K, 2), normalised, or None.
    landmark_names: K names in the training's data set, or None.
    """

    def __init__(self, backbone, viewer, head=None, device="cpu", landmark_names=None):
        self.device, self.viewer = usable_device(device), viewer
        self.landmark_names = landmark_names
        self.backbone = backbone.to(self.device).eval()
        self.head = None if head is None else head.to(self.device).eval()

    def __repr__(self):
        network = getattr(self.backbone, "wrapped_module", self.backbone)
        S, crop = self.viewer.imwidth, self.viewer.crop
        side = S - 2 * crop
        parts = [
            type(network).__name__,
            *_attribute(network, "num_output_channels", "{}-d descriptors"),
            f"input {side}x{side}, of {S}x{S} with crop {crop}",
            *_attribute(self.head, "num_annotated_points", "{} landmarks"),
            f"on {self.device}",
        ]
        return f"Model({', '.join(parts)})"

    @property
    def has_landmarks(self):
        """Whether this is a landmark model."""
        return self.head is not None

    def see(self, image, box=None):
        """Return the network's view of one image, or of the object in a box of it: all methods take
        it in place of the image.
        """
        if isinstance(image, Seen):
            if box is not None:
                raise UserError("box: what see() returned shows a part already, expected an image")
            return image
        name = image if isinstance(image, (str, os.PathLike)) else "the image"
        image = as_rgb(image)
        with config_errors(name):
            return self.viewer(image, box)

    @torch.no_grad()
    def embed(self, images, batch_size=BATCH_SIZE, box=None):
        """Return an ``Embedding``, or a list of them."""
        parts, is_one = parts_of(images, box)
        embeddings = [
            Embedding(descriptors, view)
            for inputs, views in self._batches(parts, batch_size)
            for descriptors, view in zip(self._maps(inputs).contiguous(), views)
        ]
        return embeddings[0] if is_one else embeddings

    @torch.no_grad()
    def match(self, a, b, points, protocol="cosine", batch_size=BATCH_SIZE):
        """Match points (K, 2) of image ``a`` in image ``b``; returns points (K, 2), scores (K,).

        Several images ``b`` give (N, K, 2) and (N, K). ``a`` and ``b`` may be results of ``see`` or
        ``embed``, of objects in boxes, too. A point that the network does not see, in the cropped
        border or far from the box, is replaced by the nearest point that it sees. A point outside
        the image raises ``UserError``.

        protocol: "cosine": descriptors are interpolated to every pixel of the input, scores are
        cosines; "published": matches are cells, scores are dot products.
        """
        look_up(protocol, PROTOCOLS, "protocol")
        require_batch_size(batch_size)
        points = as_points(points)
        (source,) = self._embeddings([a])
        require_inside(points, source.view)
        points, targets = points.to(self.device), self._embeddings(b, batch_size)
        _require_alike(source, targets)
        found = [
            self._match(source, targets[first : first + batch_size], points, protocol)
            for first in range(0, len(targets), batch_size)
        ]
        if not found:
            return torch.empty(0, len(points), 2), torch.empty(0, len(points))
        matched, scores = (torch.cat(parts) for parts in zip(*found))
        return (matched[0], scores[0]) if is_one_image(b) else (matched, scores)

    @torch.no_grad()
    def landmarks(self, images, batch_size=BATCH_SIZE, box=None):
        """Return the landmarks (K, 2) of an image, or (N, K, 2)."""
        if self.head is None:
            raise UserError("landmarks: this is an embedding; expected a landmark model")
        parts, is_one = parts_of(images, box)
        found = [
            view.landmarks_to_image(points)
            for inputs, views in self._batches(parts, batch_size)
            for points, view in zip(self._input_landmarks(inputs), views)
        ]
        if not found:
            raise UserError("landmarks: expected at least one image, or box")
        return found[0] if is_one else torch.stack(found)

    def _input_landmarks(self, inputs):
        return to_pixels(self.head(self._maps(inputs)), *inputs.shape[-2:]).cpu()

    def _maps(self, inputs):
        return compute_descriptors(self.backbone, inputs)

    def _embeddings(self, images, batch_size=BATCH_SIZE):
        """Return the ``Embedding``s of images, a list; those given are kept."""
        listed = [images] if is_one_image(images) else list(images)
        news = iter(self.embed([i for i in listed if not isinstance(i, Embedding)], batch_size))
        return [i if isinstance(i, Embedding) else next(news) for i in listed]

    def _match(self, source, targets, points, protocol):
        maps = torch.stack([target.descriptors for target in targets])
        places, scores = match_maps(
            source.descriptors[None],
            maps,
            source.view.to_input(points),
            source.stride,
            source.view.input_size,
            protocol,
        )
        matched = [target.view.to_image(p) for target, p in zip(targets, places.cpu())]
        return torch.stack(matched), scores.cpu()

    def _batches(self, parts, batch_size):
        """Yield the network's inputs, (B, 3, H, W), and their views.

        parts: (image, box) of each input.
        """
        require_batch_size(batch_size)
        for seen in read_ahead(lambda part: self.see(*part), parts, batch_size):
            pixels = torch.stack([s.pixels for s in seen]).to(self.device)
            yield normalise(pixels), [s.view for s in seen]


def _require_alike(source, targets):
    """Raise ``UserError`` unless ``Embedding``s are of one model and one size of input."""
    for target in targets:
        found = [(*e.descriptors.shape, *e.view.input_size) for e in (source, target)]
        if found[0] != found[1]:
            (a, b) = ("{} x {} x {} of an input of {} x {}".format(*sizes) for sizes in found)
            raise UserError(f"descriptors of b are {b}, those of a {a}: expected the same sizes")


def _attribute(network, name, form):
    """Yield the text of an attribute of a network, or of the first part of it that has one."""
    for part in network.modules() if network is not None else ():
        if hasattr(part, name):
            yield form.format(getattr(part, name))
            return
