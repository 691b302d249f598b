"""List a folder of images: their splits, their landmarks, and notes on what is not used."""

import os
from collections import defaultdict
from contextlib import contextmanager
from contextvars import ContextVar

from data_loader.find_images import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    count_suffixes,
    duplicate_names,
    images_among,
    images_folder,
    look_below,
    root_folder,
)
from data_loader.folder_description import FolderDescription
from data_loader.landmark_formats import ImageNames, find_annotations, read_annotations
from data_loader.splits import assign_splits, folder_splits
from utils.errors import EmptySplit, UserError
from utils.text import counted, some_of

SUGGESTED = 3  # images to annotate that a message names
_shared = ContextVar("shared", default=None)  # {arguments: FolderListing} of ``shared_listings``


@contextmanager
def shared_listings():
    """While entered, data sets of one folder share its listing: made once, not for each split."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def list_folder(root, pattern=None, annotation=None, with_boxes=False):
    """Return the ``FolderListing`` with these arguments, see ``shared_listings``."""
    shared = {} if (known := _shared.get()) is None else known
    key = repr((os.fspath(root), pattern, annotation, with_boxes))
    if key not in shared:
        shared[key] = FolderListing(root, pattern, annotation, with_boxes)
    return shared[key]


class FolderListing:
    """The images of a folder and their annotations.

    images: names relative to ``folder`` of the images that exist, listed ones first.
    splits: {name: split}, of listed images that do not exist too.
    annotations: see ``landmark_formats``.
    faults: errors in folders and lists, as texts.

    pattern, annotation: as of ``LandmarkFolder``.
    with_boxes: read boxes, and leave out images without any.
    keep_boxless: keep those images, and need no list.
    """

    def __init__(self, root, pattern=None, annotation=None, with_boxes=False, keep_boxless=False):
        self.root, self.with_boxes = root_folder(root), with_boxes
        self.folder = images_folder(self.root)
        if not self.root.is_dir():
            raise UserError(
                f"dataset.args.root = {str(self.root)!r}: no such folder; expected images in it "
                "(docs/own_data.md)"
            )
        files, faults, passed_over = look_below(self.folder)
        elsewhere = []
        if self.folder != self.root:
            elsewhere, further_faults, _ = look_below(self.root, [self.folder])
            faults += further_faults
        found = images_among(files, pattern)
        aliases = duplicate_names(self.folder, files, found)
        found = [name for name in found if name not in aliases]
        names = ImageNames(self.folder, images_among(files), aliases)
        lists = find_annotations(self.root, files, annotation, elsewhere, names, with_boxes)
        self.unread = _unread_notes(lists.unread)
        self.annotations = read_annotations(
            lists.paths, self.root, files, found, elsewhere, names, with_boxes
        )
        self.faults = faults + self.annotations.faults
        table = self.annotations.table
        listed = [name for name in table if pattern is None or images_among([name], pattern)]
        others = [name for name in found if name not in table]
        boxless = 0
        if with_boxes and not keep_boxless:
            listed, boxless = self._with_objects(listed, others)
            others = []
        self.images = [n for n in listed if os.path.isfile(os.path.join(self.folder, n))] + others
        if not self.images:
            raise UserError(faults[0] if faults else self._no_images(files, pattern))
        self.named = {name: table[name].split for name in listed if table[name].split}
        self.by_folder = folder_splits(name for name in listed + others if name not in self.named)
        self.splits = assign_splits(listed + others, {**self.by_folder, **self.named})
        self._descriptions = {}  # by arguments of ``describe``
        left_out = [f"left out: {counted(boxless, 'image')} without a box"] if boxless else []
        notes = self._notes(files, elsewhere, aliases, passed_over)
        self.notes = [*left_out, *notes, *self.unread]

    def _with_objects(self, listed, others):
        """Return the listed images that have objects, and the number of those that have none."""
        if not self.annotations.sources:
            raise UserError(
                f"{self.root}: dataset.args.box_margin takes boxes, but there is no list of boxes "
                f"(docs/own_data.md){''.join(f'; {note}' for note in self.unread)}"
            )
        if not self.faults and not self.annotations.objects:
            raise UserError(f"{self.annotations.source}: holds no boxes")
        boxed = [name for name in listed if self.annotations.table[name].objects]
        if not any(os.path.isfile(self.folder / name) for name in boxed):
            none = f"{self.annotations.source}: none of its boxes is in an image of {self.folder}"
            raise UserError(self.faults[0] if self.faults else none)
        return boxed, len(listed) + len(others) - len(boxed)

    def _no_images(self, files, pattern):
        """Return the message for a folder without images."""
        counts = count_suffixes(files).most_common(5)
        kinds = ", ".join(f"{count} {suffix or 'no suffix'}" for suffix, count in counts)
        fitting = "" if pattern is None else f" that fit '{pattern}'"
        return (
            f"{self.folder}: no images{fitting} (suffixes {' '.join(IMAGE_SUFFIXES)}), "
            f"found {kinds or 'no files'}"
        )

    def _notes(self, files, elsewhere, aliases, passed_over):
        """Yield notes on files and folders that are not used, as texts."""
        counts = count_suffixes(files).most_common()
        unread = {suffix: n for suffix, n in counts if suffix in UNREAD_SUFFIXES}
        if unread:
            kinds = ", ".join(f"{n:,} {suffix}" for suffix, n in unread.items())
            yield f"{counted(sum(unread.values()), 'file')} of kinds that are not read: {kinds}"
        if aliases:
            name, first = min(aliases.items())
            further = counted(len(aliases), "further name")
            yield f"{further} of the same files, as links, are left out: {name} is {first}"
        if passed_over:
            yield f"folders passed over: {some_of(passed_over)}"
        listed = [name for name in self.images if name.startswith("../")]
        if listed:
            images = counted(len(listed), "listed image")
            yield f"{images} outside of {self.folder} used: {some_of(listed)}"
        outside = [n for n in images_among(elsewhere) if f"../{n}" not in self.annotations.table]
        if outside:
            images = counted(len(outside), "image")
            yield f"{images} outside of {self.folder} not used: {some_of(outside)}"

    @property
    def annotated(self):
        """The images with all landmarks, in the order of their list."""
        return [name for name in self.annotations.annotated if name in self.splits]

    def require_landmarks(self):
        """Raise ``EmptySplit`` if no landmark file was read, or no image has all landmarks."""
        if not self.annotations.sources or not self.annotations.names:
            raise EmptySplit(
                f"no landmarks yet ({self.root / 'landmarks.csv'}, or another format: "
                f"docs/own_data.md){''.join(f'; {note}' for note in self.unread)}"
            )
        if self.annotations.shortage:
            raise EmptySplit(self.annotations.shortage)

    def of_split(self, split, annotated):
        """Return the images of a split, only those with landmarks if ``annotated``.

        Without validation images the test images are used for it, and the other way round. Raises
        ``EmptySplit`` if there are none.
        """
        names = self.annotated if annotated else self.images
        present = set(self.splits.values())
        if split != "train" and split not in present:
            split = "val" if "val" in present else "test"
        chosen = [name for name in names if self.splits[name] == split]
        if chosen:
            return chosen
        if not annotated:
            raise EmptySplit(
                f"{self.folder}: no images of split '{split}' among {len(names)}, expected at "
                "least one for training and one for the test"
            )
        unlisted = [n for n in self.images if self.splits[n] == split][:SUGGESTED]
        hint = f"; annotate one of that split, such as {', '.join(unlisted)}" if unlisted else ""
        raise EmptySplit(
            f"{self.annotations.source}: none of the {len(names)} images with landmarks is of "
            f"split '{split}'{hint}"
        )

    def describe(self, *shown_as):
        """Return lines for the log; shown_as: further arguments of ``FolderDescription``."""
        if shown_as not in self._descriptions:
            self._descriptions[shown_as] = FolderDescription(self, *shown_as).lines()
        return self._descriptions[shown_as]


def _unread_notes(unread):
    """Return notes on landmark files that are not read: {name: reason} by reason."""
    reasons = defaultdict(list)
    for name, reason in unread.items():
        reasons[reason].append(name)
    return [f"not read: {some_of(names)} ({reason})" for reason, names in reasons.items()]
