"""What can be predicted: landmarks, matches of a reference's points, colours of descriptors.

A task takes photos and returns a result for each (``predict``); it draws one (``figure``), and says
what of it goes into a table (``table``, ``header``, ``rows``).
"""

import torch

from utils.gallery import (
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
        return ["file", *(f"{axis}{k}" for k in range(len(landmarks)) for axis in "xy")]

    def rows(self, name, landmarks):
        yield [name, *(f"{value:.2f}" for value in landmarks.flatten().tolist())]

    def figure(self, photo, landmarks):
        return landmarks_figure(
            [photo.picture], [photo.in_picture(landmarks)], [None], [photo.name]
        )


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
