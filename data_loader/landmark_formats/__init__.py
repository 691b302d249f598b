"""Landmark files of a folder of images, read into ``Annotations``.

All readers give points (x, y) in pixels of the image, the centre of the top-left pixel at (0, 0):

format        where the points lie       counts from    converted
csv           ``landmarks.csv``          0              as they are
COCO JSON     ``*.json``                 0              as they are
imglab XML    ``*.xml`` (dlib)           0              as they are
``.pts``      beside each image (iBUG)   1              less 1

Boxes, in all but ``.pts``, are edges, with 0 at the corner of the top-left pixel
(``data_loader.boxes``).
"""

from data_loader.landmark_formats.finding import READERS, find_annotations, read_annotations
from data_loader.landmark_formats.image_names import ImageNames
from data_loader.landmark_formats.table import Annotations, Entry

__all__ = ["READERS", "Annotations", "Entry", "ImageNames", "find_annotations", "read_annotations"]
