"""List a folder of images: their splits, their landmarks, and notes on what is not used."""

import math
import os
from collections import Counter, defaultdict
from contextlib import contextmanager, suppress
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
from data_loader.images import peculiarities, size_as_seen
from data_loader.landmark_formats import ImageNames, find_annotations, read_annotations
from data_loader.splits import assign_splits, folder_splits
from data_loader.squares import outside_window, square_window
from utils.errors import EmptySplit, UserError
from utils.text import command, counted, some_of

DESCRIBED = 1000  # images at most that are opened for the log
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


def list_folder(root, pattern=None, annotation=None):
    """Return the ``FolderListing`` with these arguments, see ``shared_listings``."""
    shared = {} if (known := _shared.get()) is None else known
    key = repr((os.fspath(root), pattern, annotation))
    if key not in shared:
        shared[key] = FolderListing(root, pattern, annotation)
    return shared[key]


class FolderListing:
    """The images of a folder and their annotations.

    images: names relative to ``folder`` of the images that exist, listed ones first.
    splits: {name: split}, of listed images that do not exist too.
    annotations: see ``landmark_formats``.
    faults: errors in folders and lists, as texts.

    pattern, annotation: as of ``LandmarkFolder``.
    """

    def __init__(self, root, pattern=None, annotation=None):
        self.root = root_folder(root)
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
        lists = find_annotations(self.root, files, annotation, elsewhere, names)
        self.annotations = read_annotations(lists.paths, self.root, files, found, elsewhere, names)
        self.faults = faults + self.annotations.faults
        table = self.annotations.table
        listed = [name for name in table if pattern is None or images_among([name], pattern)]
        others = [name for name in found if name not in table]
        self.images = [n for n in listed if os.path.isfile(os.path.join(self.folder, n))] + others
        if not self.images:
            raise UserError(faults[0] if faults else self._no_images(files, pattern))
        self.named = {name: table[name].split for name in listed if table[name].split}
        self.by_folder = folder_splits(name for name in listed + others if name not in self.named)
        self.splits = assign_splits(listed + others, {**self.by_folder, **self.named})
        self.unread = _unread_notes(lists.unread)
        self._descriptions = {}  # by arguments of ``describe``
        self.notes = [*self._notes(files, elsewhere, aliases, passed_over), *self.unread]

    def _no_images(self, files, pattern):
        """Return the message for a folder without images."""
        counts = count_suffixes(files).most_common(5)
        kinds = ", ".join(f"{count} {suffix or 'no suffix'}" for suffix, count in counts)
        fitting = f" that fit '{pattern}'" if pattern else ""
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
        outside = [n for n in images_among(elsewhere) if f"../{n}" not in self.annotations.table]
        if outside:
            images = counted(len(outside), "image")
            yield f"{images} outside of {self.folder} not used: {some_of(outside)}"

    @property
    def annotated(self):
        """The images with all landmarks, in the order of their list."""
        return [name for name in self.annotations.annotated if name in self.splits]

    def require_landmarks(self):
        """Raise ``EmptySplit`` if no landmark file was read."""
        if not self.annotations.sources:
            raise EmptySplit(
                f"no landmarks yet ({self.root / 'landmarks.csv'}, or another format: "
                f"docs/own_data.md){''.join(f'; {note}' for note in self.unread)}"
            )

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

    def describe(self, square, imwidth):
        """Return lines for the log; square, imwidth: as of ``LandmarkFolder``."""
        if (square, imwidth) not in self._descriptions:
            sizes, *others = self._describe_sizes(square, imwidth)
            images, landmarks = self._describe_images(), self._describe_landmarks()
            lines = [images, sizes, landmarks, *others, *self.notes]
            self._descriptions[square, imwidth] = [f"data: {line}" for line in lines]
        return self._descriptions[square, imwidth]

    def _describe_images(self):
        counts = {
            "as their list says": sum(name in self.named for name in self.images),
            "as their folders say": sum(name in self.by_folder for name in self.images),
        }
        counts["by a hash of their names"] = len(self.images) - sum(counts.values())
        hows = [how if n == len(self.images) else f"{n} {how}" for how, n in counts.items() if n]
        images = counted(len(self.images), "image")
        return f"{images} below {self.folder}: {self._counts(self.images)} ({', '.join(hows)})"

    def _counts(self, names):
        counts = Counter(self.splits[name] for name in names)
        texts = [f"{counts[split]} {split}" for split in ("train", "val", "test") if counts[split]]
        missing = {"val", "test"} - set(self.splits.values())
        if len(missing) > 1:
            return ", ".join([*texts, "none for validation or the test"])
        uses = {"val": "the test images validate, too", "test": "the val images are the test, too"}
        return "; ".join([", ".join(texts), *(uses[split] for split in missing)])

    def _describe_sizes(self, square, imwidth):
        """Yield a line on sizes, then lines on what else opening up to DESCRIBED images shows."""
        step = -(-len(self.images) // DESCRIBED)
        sizes, notes, outside = Counter(), defaultdict(list), []
        for name in self.images[::step]:
            with suppress(UserError):  # it is reported where the image is opened
                size, found = size_as_seen(self.folder / name), peculiarities(self.folder / name)
                sizes[size] += 1
                for text in found:
                    notes[text].append(name)
                entry = self.annotations.table.get(name)
                if entry and entry.landmarks is not None:
                    window = square_window(size, square)
                    if outside_window(entry.landmarks, window, imwidth).any():
                        outside.append(name)
        by_area = sorted(sizes, key=lambda size: (math.prod(size), size)) or [(0, 0)]
        smallest, largest = ("{} x {}".format(*by_area[n]) for n in (0, -1))
        line = f"sizes {smallest} to {largest}" if len(sizes) > 1 else f"all {smallest}"
        line += " pixels" + (f" (of {sizes.total()} looked at)" if step > 1 else "")
        if any(width != height for width, height in sizes):
            whole = sum(n for size, n in sizes.items() if square_window(size, square)[2:] == size)
            line += (
                f"; made square (square = {square}): "
                f"{whole} resized, {sizes.total() - whole} cut to their centre"
            )
        yield line
        for text, names in notes.items():
            yield f"{names[0]} {text}" + (f"; so {len(names) - 1:,} more" if names[1:] else "")
        if outside:
            yield (
                f"{counted(len(outside), 'image')} with landmarks outside of what is used of them: "
                f"{some_of(outside)}; {command('misc/check_data.py')} lists all"
            )

    def _describe_landmarks(self):
        names = self.annotated
        if not names:
            return "no landmarks"
        notes = "".join(f"; {note}" for note in self.annotations.notes)
        return (
            f"{counted(len(self.annotations.names), 'landmark')} of {counted(len(names), 'image')} "
            f"in {self.annotations.source}: {self._counts(names)}{notes}"
        )


def _unread_notes(unread):
    """Return notes on landmark files that are not read: {name: reason} by reason."""
    reasons = defaultdict(list)
    for name, reason in unread.items():
        reasons[reason].append(name)
    return [f"not read: {some_of(names)} ({reason})" for reason, names in reasons.items()]
