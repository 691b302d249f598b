"""What the page asks for where objects are framed: the boxes of an image, and points in each."""

import numpy as np

from misc.annotating.session import Session, is_number, pair_of, point_of, share_of, within
from utils.errors import UserError


class BoxSession(Session):
    """The annotation of the objects in a folder's images.

    store: ``BoxStore``.
    proposer: ``BoxProposer``, or None.
    """

    takes = {"confirm": "objects", "propose": "box"}

    def item(self, number):
        """Return the objects of an image, with their points where these are confirmed."""
        name = self.images[number]
        size = self.store.size_of(name)
        with self.lock:
            objects = self.store.objects.get(name, ())
            return {
                "name": name,
                "size": size,
                "confirmed": self.store.is_annotated(name),
                "objects": [
                    {"box": box, "points": None if points is None else list(map(pair_of, points))}
                    for box, points in objects
                ],
            }

    def propose(self, number, box):
        """Return the points proposed in a box of an image, None for none; raises ``UserError``."""
        name = self.images[number]
        box = self.store.checked_box(name, _box_of(box))
        with self.lock:
            proposal = self.proposer and self.proposer.propose(name, box)
            if not proposal:
                return {"points": None, "certainty": None}
            points, certainty = proposal
            points = within(points, self.store.size_of(name))
            self.proposed.setdefault(number, {})[box] = points
            return {
                "points": list(map(pair_of, points)),
                "certainty": list(map(share_of, certainty)),
            }

    def confirm(self, number, objects):
        """Write the objects of an image, {"box", "points"} of each; return progress and what is
        next. Raises ``UserError``.
        """
        name = self.images[number]
        if not all(isinstance(found, dict) for found in objects):
            raise UserError("expected a box and points for each object")
        objects = [(_box_of(o.get("box")), _points_of(o.get("points"))) for o in objects]
        with self.lock:
            self.store.confirm(name, objects)
            objects = self.store.objects[name]
            proposed = self.proposed.pop(number, {})
            for box, points in objects:
                self._count_kept(proposed.get(box), points)
            if self.proposer:
                self.proposer.learn(name, objects)
            return {**self._progress(), "next": self._next(number)}


def _box_of(box):
    """Return a box that the page sent."""
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise UserError("expected four numbers for each box")
    return tuple(map(float, box))


def _points_of(points):
    if not isinstance(points, list):
        raise UserError("expected the points of each object")
    return np.array(list(map(point_of, points))).reshape(-1, 2)
