"""What lies below a data set's root: images, their splits, their landmarks."""

import os
from collections import Counter

from data_loader.image_folder import (
    IMAGE_SUFFIXES,
    assign_splits,
    images_among,
    images_folder,
    other_suffixes,
    readable_below,
    root_folder,
)
from data_loader.images import size_as_seen
from data_loader.landmark_formats import find_annotations, read_annotations
from data_loader.squares import square_window
from utils.errors import EmptySplit, UserError
from utils.wording import counted

DESCRIBED = 1000  # images whose sizes are looked at for the log
SUGGESTED = 3  # images named to someone who has annotated none of a split


class FolderListing:
    """The images of a folder and what its lists say of them.

    images: names relative to ``folder`` of those that exist, the listed ones first, in the order of
    their list; splits: {name: split}, of listed images that are absent too; annotations: see
    ``landmark_formats``; faults: what is wrong with folders and lists, as texts. pattern,
    annotation: as of ``LandmarkFolder``.
    """

    def __init__(self, root, pattern=None, annotation=None):
        self.root = root_folder(root)
        self.folder = images_folder(self.root)
        if not self.root.is_dir():
            raise UserError(
                f"dataset.args.root = {str(self.root)!r}: no such folder; expected images in it "
                "(docs/own_data.md)"
            )
        files, unreadable = readable_below(self.folder)
        found = images_among(files, pattern)
        lists = find_annotations(self.root, files, annotation)
        self.annotations = read_annotations(lists, self.root, files, found)
        self.faults = unreadable + self.annotations.faults
        table = self.annotations.table
        listed = [name for name in table if pattern is None or images_among([name], pattern)]
        others = [name for name in found if name not in table]
        self.images = [name for name in listed if os.path.isfile(self.folder / name)] + others
        if not self.images and unreadable:
            raise UserError(unreadable[0])
        if not self.images:
            fitting = f" that fit '{pattern}'" if pattern else ""
            raise UserError(
                f"{self.folder}: no images{fitting} (suffixes {' '.join(IMAGE_SUFFIXES)}), "
                f"found {other_suffixes(files)}"
            )
        self.splits = assign_splits(listed + others, {name: table[name].split for name in listed})

    @property
    def annotated(self):
        """The images with all landmarks, in the order of their list."""
        return [name for name in self.annotations.annotated if name in self.splits]

    def require_landmarks(self):
        """Raise ``EmptySplit`` where there are no landmarks at all."""
        if not self.annotations.sources:
            raise EmptySplit(
                f"no landmarks yet ({self.root / 'landmarks.csv'}, or another format: "
                "docs/own_data.md)"
            )

    def of_split(self, split, annotated):
        """Return the images of a split, or those of them with landmarks; never none."""
        names = self.annotated if annotated else self.images
        validates = "test" if "val" not in self.splits.values() else "val"
        split = validates if split == "val" else split
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

    def describe(self, square):
        """Return what was found, as lines for the log; square: how images are made square."""
        return [self._describe_images(), self._describe_sizes(square), self._describe_landmarks()]

    def _describe_images(self):
        total, table = len(self.images), self.annotations.table
        images = counted(total, "image")
        named = sum(1 for name in self.images if name in table and table[name].split)
        how = f"{named} as their list says, {total - named} by a hash of their names"
        how = {0: "by a hash of their names", total: "as their list says"}.get(named, how)
        return f"data: {images} below {self.folder}: {self._counts(self.images)} ({how})"

    def _counts(self, names):
        counts = Counter(self.splits[name] for name in names)
        texts = [f"{counts[split]} {split}" for split in ("train", "val", "test") if counts[split]]
        return ", ".join(texts) + ("" if counts["val"] else "; the test images validate, too")

    def _describe_sizes(self, square):
        step = -(-len(self.images) // DESCRIBED)
        sizes = Counter()
        for name in self.images[::step]:
            try:
                sizes[size_as_seen(self.folder / name)] += 1
            except UserError:
                continue  # told where it is read
        looked_at = "" if step == 1 else f" (of {sum(sizes.values())} looked at)"
        smallest, largest = (choose(sizes, key=_area, default=(0, 0)) for choose in (min, max))
        span = f"sizes {_by(smallest)} to {_by(largest)}"
        told = span if len(sizes) > 1 else f"all {_by(smallest)}"
        if all(width == height for width, height in sizes):
            return f"data: {told} pixels{looked_at}"
        cut = sum(n for size, n in sizes.items() if square_window(size, square) != (0, 0, *size))
        return (
            f"data: {told} pixels{looked_at}; made square (square = {square}): "
            f"{sum(sizes.values()) - cut} resized, {cut} cut to their centre"
        )

    def _describe_landmarks(self):
        names = self.annotated
        if not names:
            return "data: no landmarks"
        notes = "".join(f"; {note}" for note in self.annotations.notes)
        return (
            f"data: {counted(len(self.annotations.names), 'landmark')} of "
            f"{counted(len(names), 'image')} in "
            f"{self.annotations.source}: {self._counts(names)}{notes}"
        )


def _area(size):
    return size[0] * size[1]


def _by(size):
    return f"{size[0]} x {size[1]}"
