"""What can be predicted: landmarks, matches of a reference's points, colours of descriptors.

A task takes photos and returns a result for each (``predict``); it draws one (``figure``), and says
what of it goes into a table (``table``, ``header``, ``rows``).
"""

from itertools import chain, count

import torch

from data_loader.landmark_formats.csv_columns import BOX, axis_in
from utils.drawing.galleries import (
    PrincipalColours,
    embedding_figure,
    landmarks_figure,
    match_figure,
)


class LandmarkTask:
    """The landmarks of a landmark model, in the format that ``LandmarkFolder`` reads."""

    table = "landmarks.csv"

    def __init__(self, model):
        self.model = model

    def predict(self, photos):
        return self.model.landmarks([photo.seen for photo in photos], len(photos))

    def header(self, landmarks):
        names = self.model.landmark_names or []
        if len(names) != len(landmarks):
            names = [""] * len(landmarks)
        return ["file", *chain.from_iterable(map(columns, names, count()))]

    def rows(self, name, landmarks):
        yield [name, *(f"{value:.2f}" for value in landmarks.flatten().tolist())]

    def figure(self, photo, landmarks):
        return landmarks_figure(
            [photo.picture], [photo.in_picture(landmarks)], [None], [photo.name]
        )


def columns(name, number):
    """Return the names of the columns of a landmark's x and y: after its own name, where that can
    be told again when the table is read, else after its number.
    """
    told = axis_in(name)
    if not name or not name.isprintable() or told and told["axis"] in "yY" or BOX.match(name):
        return f"x{number}", f"y{number}"
    if told is None:
        return f"{name}_x", f"{name}_y"
    first, last = told.span("axis")
    y = {"x": "y", "X": "Y"}[name[first:last]]
    return name, f"{name[:first]}{y}{name[last:]}"


class MatchTask:
    """Points (K, 2) of a reference, found in every image: a row for each point."""

    table = "matches.csv"

    def __init__(self, model, reference, points, protocol):
        self.model, self.reference, self.points = model, reference, points
        self.source, self.protocol = model.embed(reference.seen), protocol

    def predict(self, photos):
        seen = [photo.seen for photo in photos]
        found = self.model.match(self.source, seen, self.points, self.protocol, len(photos))
        return list(zip(*found))

    def header(self, matches):
        return ["file", "point", "x", "y", "score"]

    def rows(self, name, matches):
        for number, ((x, y), score) in enumerate(zip(*(part.tolist() for part in matches))):
            yield [name, number, f"{x:.2f}", f"{y:.2f}", f"{score:.4f}"]

    def figure(self, photo, matches):
        return match_figure(
            [self.reference.picture],
            [photo.picture],
            [self.reference.in_picture(self.points)],
            [photo.in_picture(matches[0])],
            [None],
            [photo.name],
        )


class ColourTask:
    """Descriptors as colours: the principal components of some images' descriptors, the same for
    all.
    """

    table = None

    def __init__(self, model, some_photos):
        self.model = model
        self.colours = PrincipalColours(self._maps(some_photos))

    def predict(self, photos):
        return self.model.embed([photo.seen for photo in photos], len(photos))

    def figure(self, photo, embedding):
        places = photo.in_picture(embedding.places())
        colours = self.colours(embedding.descriptors[None].cpu())[0]
        return embedding_figure(photo.picture, colours, places, photo.name)

    def _maps(self, photos):
        return torch.stack([embedding.descriptors.cpu() for embedding in self.predict(photos)])
