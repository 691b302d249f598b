"""Describe a folder of images in lines for the log."""

import math
from collections import Counter, defaultdict
from contextlib import suppress

from data_loader.boxes import box_window, outside_box_window
from data_loader.images import peculiarities, size_as_seen
from data_loader.landmark_formats import Entry
from data_loader.squares import outside_window, square_window
from utils.errors import UserError
from utils.text import command, counted, some_of

DESCRIBED = 1000  # images at most that are opened


class FolderDescription:
    """Describes a ``FolderListing``; the other arguments are those of ``LandmarkFolder``."""

    def __init__(self, listing, square, imwidth, box_margin=None):
        self.listing, self.square, self.imwidth = listing, square, imwidth
        self.box_margin = box_margin

    def lines(self):
        """Return what was found, as lines."""
        sizes, *others = self._sizes()
        boxes = [] if self.box_margin is None else [self._boxes()]
        found = [self._images(), sizes, *boxes, self._landmarks(), *others, *self.listing.notes]
        return [f"data: {line}" for line in found]

    def _images(self):
        listing = self.listing
        counts = {
            "as their list says": sum(name in listing.named for name in listing.images),
            "as their folders say": sum(name in listing.by_folder for name in listing.images),
        }
        counts["by a hash of their names"] = len(listing.images) - sum(counts.values())
        hows = [how if n == len(listing.images) else f"{n} {how}" for how, n in counts.items() if n]
        images = counted(len(listing.images), "image")
        splits = self._counts(listing.images)
        return f"{images} below {listing.folder}: {splits} ({', '.join(hows)})"

    def _counts(self, names):
        counts = Counter(self.listing.splits[name] for name in names)
        texts = [f"{counts[split]} {split}" for split in ("train", "val", "test") if counts[split]]
        missing = {"val", "test"} - set(self.listing.splits.values())
        if len(missing) > 1:
            return ", ".join([*texts, "none for validation or the test"])
        uses = {"val": "the test images validate, too", "test": "the val images are the test, too"}
        return "; ".join([", ".join(texts), *(uses[split] for split in missing)])

    def _sizes(self):
        """Yield a line on sizes, then lines on what else opening up to DESCRIBED images shows."""
        images, folder = self.listing.images, self.listing.folder
        step = -(-len(images) // DESCRIBED)
        sizes, notes, outside = Counter(), defaultdict(list), []
        for name in images[::step]:
            with suppress(UserError):  # it is reported where the image is opened
                size, found = size_as_seen(folder / name), peculiarities(folder / name)
                sizes[size] += 1
                for text in found:
                    notes[text].append(name)
                if self._has_landmarks_outside(name, size):
                    outside.append(name)
        by_area = sorted(sizes, key=lambda size: (math.prod(size), size)) or [(0, 0)]
        smallest, largest = ("{} x {}".format(*by_area[n]) for n in (0, -1))
        line = f"sizes {smallest} to {largest}" if len(sizes) > 1 else f"all {smallest}"
        line += " pixels" + (f" (of {sizes.total()} looked at)" if step > 1 else "")
        yield line + self._made_square(sizes)
        for text, names in notes.items():
            yield f"{names[0]} {text}" + (f"; so {len(names) - 1:,} more" if names[1:] else "")
        if outside:
            yield (
                f"{counted(len(outside), 'image')} with landmarks outside of what is used of them: "
                f"{some_of(outside)}; {command('misc/check_data.py')} lists all"
            )

    def _made_square(self, sizes):
        """Return how images become square; sizes: {(width, height): count}."""
        if self.box_margin is not None or not any(width != height for width, height in sizes):
            return ""
        whole = sum(n for size, n in sizes.items() if square_window(size, self.square)[2:] == size)
        return (
            f"; made square (square = {self.square}): "
            f"{whole} resized, {sizes.total() - whole} cut to their centre"
        )

    def _has_landmarks_outside(self, name, size):
        entry = self.listing.annotations.table.get(name, Entry())
        if entry.landmarks is not None:
            window = square_window(size, self.square)
            return outside_window(entry.landmarks, window, self.imwidth).any()
        return any(
            outside_box_window(found.landmarks, box_window(found.box, self.box_margin)).any()
            for found in entry.objects
            if found.landmarks is not None
        )

    def _boxes(self):
        """Return how many objects there are, and how large they are cut out."""
        table = self.listing.annotations.table
        of_images = [table[name].objects for name in self.listing.images]
        windows = [box_window(found.box, self.box_margin) for part in of_images for found in part]
        sides = [right - left for left, _, right, _ in windows]
        return (
            f"{counted(len(sides), 'object')}, cut out by boxes as squares of {min(sides):.0f} to "
            f"{max(sides):.0f} pixels (box_margin = {self.box_margin:g}), at most "
            f"{max(map(len, of_images))} from one image"
        )

    def _landmarks(self):
        names, annotations = self.listing.annotated, self.listing.annotations
        notes = "".join(f"; {note}" for note in annotations.notes)
        if not names:
            lack = f" ({annotations.shortage})" if annotations.shortage else ""
            return f"no landmarks{lack}{notes}"
        of_images = counted(len(names), "image")
        if self.box_margin is not None:
            objects = [found for name in names for found in annotations.table[name].objects]
            annotated = sum(found.landmarks is not None for found in objects)
            of_images = f"{counted(annotated, 'object')} in {of_images}"
        return (
            f"{counted(len(annotations.names), 'landmark')} of {of_images} "
            f"in {annotations.source}: {self._counts(names)}{notes}"
        )
