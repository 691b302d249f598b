"""What lies below a data set's root: images, their splits, their landmarks."""

import os
from collections import Counter

from data_loader.image_folder import (
    IMAGE_SUFFIXES,
    assign_splits,
    folder_splits,
    images_among,
    images_folder,
    look_below,
    one_name_each,
    other_suffixes,
    root_folder,
    unread_among,
)
from data_loader.images import peculiarities, size_as_seen
from data_loader.landmark_formats import ImageNames, find_annotations, read_annotations
from data_loader.squares import outside_window, square_window
from utils.errors import EmptySplit, UserError
from utils.text import command, counted, some_of

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
        contents = look_below(self.folder)
        files, elsewhere = list(contents.files), []
        if self.folder != self.root:
            around = look_below(self.root, [self.folder])
            elsewhere = list(around.files)
            contents.faults += around.faults
        found = images_among(files, pattern)
        aliases = one_name_each(self.folder, contents.files, found)
        found = [name for name in found if name not in aliases]
        names = ImageNames(self.folder, images_among(files), aliases)
        lists = find_annotations(self.root, files, annotation, elsewhere, names)
        self.annotations = read_annotations(lists.paths, self.root, files, found, elsewhere, names)
        self.faults = contents.faults + self.annotations.faults
        self.unread_lists = lists.unread
        table = self.annotations.table
        listed = [name for name in table if pattern is None or images_among([name], pattern)]
        others = [name for name in found if name not in table]
        self.images = [name for name in listed if os.path.isfile(self.folder / name)] + others
        if not self.images and contents.faults:
            raise UserError(contents.faults[0])
        if not self.images:
            fitting = f" that fit '{pattern}'" if pattern else ""
            raise UserError(
                f"{self.folder}: no images{fitting} (suffixes {' '.join(IMAGE_SUFFIXES)}), "
                f"found {other_suffixes(files)}"
            )
        self.named = {name: table[name].split for name in listed if table[name].split}
        self.by_folder = folder_splits(name for name in listed + others if name not in self.named)
        self.splits = assign_splits(listed + others, {**self.by_folder, **self.named})
        self.remarks = [*self._remarks(contents, elsewhere, aliases), *self._list_remarks()]

    def _remarks(self, contents, elsewhere, aliases):
        """Return what lies there and is not used, or not as one might think, as texts."""
        unread = unread_among(contents.files)
        if unread:
            kinds = ", ".join(f"{n:,} {suffix}" for suffix, n in unread.most_common())
            yield f"{counted(unread.total(), 'file')} of kinds that are not read: {kinds}"
        if aliases:
            name, first = min(aliases.items())
            further = counted(len(aliases), "further name")
            yield f"{further} of the same files, as links, are left out: {name} is {first}"
        if contents.passed_over:
            yield f"folders passed over: {some_of(contents.passed_over)}"
        outside = [n for n in images_among(elsewhere) if f"../{n}" not in self.annotations.table]
        if outside:
            yield (
                f"{counted(len(outside), 'image')} outside of {self.folder} not used: "
                f"{some_of(outside)}"
            )

    def _list_remarks(self):
        """Return which files that might hold landmarks are not read, and why."""
        reasons = {}
        for name, reason in self.unread_lists.items():
            reasons.setdefault(reason, []).append(name)
        return [f"not read: {some_of(names)} ({reason})" for reason, names in reasons.items()]

    @property
    def annotated(self):
        """The images with all landmarks, in the order of their list."""
        return [name for name in self.annotations.annotated if name in self.splits]

    def require_landmarks(self):
        """Raise ``EmptySplit`` where there are no landmarks at all."""
        if not self.annotations.sources:
            unread = "".join(f"; {remark}" for remark in self._list_remarks())
            raise EmptySplit(
                f"no landmarks yet ({self.root / 'landmarks.csv'}, or another format: "
                f"docs/own_data.md){unread}"
            )

    def of_split(self, split, annotated):
        """Return the images of a split, or those of them with landmarks; never none. Without any of
        "val" or of "test", the one stands for the other.
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
        """Return what was found, as lines for the log; square: how images are made square, imwidth:
        their side then.
        """
        lines = [self._describe_images(), *self._describe_sizes(square, imwidth)]
        lines.insert(2, self._describe_landmarks())
        return [f"data: {line}" for line in (*lines, *self.remarks)]

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
        told = {"val": "the test images validate, too", "test": "the val images are the test, too"}
        return "; ".join([", ".join(texts), *(told[split] for split in missing)])

    def _describe_sizes(self, square, imwidth):
        """Return the sizes of images, a line, and lines of what else is found on opening them; of
        many images only some are.
        """
        step = -(-len(self.images) // DESCRIBED)
        sizes, odd, outside = Counter(), {}, []
        for name in self.images[::step]:
            try:
                size = size_as_seen(self.folder / name)
                found = peculiarities(self.folder / name)
            except UserError:
                continue  # told where it is read
            sizes[size] += 1
            for text in found:
                odd.setdefault(text, []).append(name)
            entry = self.annotations.table.get(name)
            if entry and entry.landmarks is not None:
                if outside_window(entry.landmarks, square_window(size, square), imwidth).any():
                    outside.append(name)
        looked_at = "" if step == 1 else f" (of {sizes.total()} looked at)"
        smallest, largest = (choose(sizes, key=_area, default=(0, 0)) for choose in (min, max))
        span = f"sizes {_by(smallest)} to {_by(largest)}"
        told = f"{span if len(sizes) > 1 else f'all {_by(smallest)}'} pixels{looked_at}"
        if not all(width == height for width, height in sizes):
            whole = sum(n for size, n in sizes.items() if square_window(size, square)[2:] == size)
            told += (
                f"; made square (square = {square}): "
                f"{whole} resized, {sizes.total() - whole} cut to their centre"
            )
        yield told
        for text, names in odd.items():
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
            f"{counted(len(self.annotations.names), 'landmark')} of "
            f"{counted(len(names), 'image')} in "
            f"{self.annotations.source}: {self._counts(names)}{notes}"
        )


def _area(size):
    return size[0] * size[1], size


def _by(size):
    return f"{size[0]} x {size[1]}"
