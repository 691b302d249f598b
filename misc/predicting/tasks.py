"""The tasks of prediction: landmarks, matches of a reference's points, descriptors as colours.

``predict`` takes photos and returns a result for each, ``figure`` draws one; ``table``, ``header``
and ``rows`` give the name and the content of its csv.
"""

from itertools import chain, count

import torch

from data_loader.landmark_formats.csv_columns import WRITTEN_BOX, column_names
from utils.drawing.galleries import (
    PrincipalColours,
    embedding_figure,
    landmarks_figure,
    match_figure,
)


class LandmarkTask:
    """Predict landmarks; the table is in the format that ``LandmarkFolder`` reads."""

    table = "landmarks.csv"

    def __init__(self, model):
        self.model = model

    def predict(self, photos):
        return self.model.landmarks([photo.seen for photo in photos], len(photos))

    def header(self, photo, landmarks):
        names = self.model.landmark_names or []
        if len(names) != len(landmarks):
            names = [""] * len(landmarks)
        box = WRITTEN_BOX if photo.source.box else ()
        points = chain.from_iterable(map(column_names, names, count()))
        return ["file", "width", "height", *box, *points]

    def rows(self, photo, landmarks):
        values = [*(photo.source.box or ()), *landmarks.flatten().tolist()]
        size = photo.seen.view.image_size  # tells a reader that the landmarks are upright
        yield [photo.source.name, *size, *(f"{value:.2f}" for value in values)]

    def figure(self, photo, landmarks):
        points = photo.in_picture(landmarks)
        return landmarks_figure([photo.picture], [points], [None], [photo.source.label])


class MatchTask:
    """Find points (K, 2) of a reference in every image; the table has a row for each point."""

    table = "matches.csv"

    def __init__(self, model, reference, points, protocol):
        self.model, self.reference, self.points = model, reference, points
        self.source, self.protocol = model.embed(reference.seen), protocol

    def predict(self, photos):
        seen = [photo.seen for photo in photos]
        found = self.model.match(self.source, seen, self.points, self.protocol, len(photos))
        return list(zip(*found))

    def header(self, photo, matches):
        return ["file", *(["box"] if photo.source.box else []), "point", "x", "y", "score"]

    def rows(self, photo, matches):
        source = photo.source
        named = [source.name, *([source.number] if source.box else [])]
        for number, ((x, y), score) in enumerate(zip(*(part.tolist() for part in matches))):
            yield [*named, number, f"{x:.2f}", f"{y:.2f}", f"{score:.4f}"]

    def figure(self, photo, matches):
        pictures = [self.reference.picture], [photo.picture]
        points = [self.reference.in_picture(self.points)], [photo.in_picture(matches[0])]
        return match_figure(*pictures, *points, [None], [photo.source.label])


class ColourTask:
    """Draw descriptors as colours, by the principal components of those of some images."""

    table = None

    def __init__(self, model, some_photos):
        self.model = model
        maps = [embedding.descriptors.cpu() for embedding in self.predict(some_photos)]
        self.colours = PrincipalColours(torch.stack(maps))

    def predict(self, photos):
        return self.model.embed([photo.seen for photo in photos], len(photos))

    def figure(self, photo, embedding):
        places = photo.in_picture(embedding.places())
        colours = self.colours(embedding.descriptors[None].cpu())[0]
        return embedding_figure(photo.picture, colours, places, photo.source.label)
