"""Generated faces: a data set without files, for demonstrations and tests."""

from pathlib import Path

from data_loader import face_renderer
from data_loader.base_dataset import KeypointDataset
from data_loader.face_renderer import NUM_LANDMARKS, render_face

NUM_IMAGES = {"train": 2000, "val": 200, "test": 400}


class SyntheticFaces(KeypointDataset):
    """Painted portraits of people who differ in shape, colours, hair and texture.

    Splits share no person. An image depends only on (seed, split, index) and on
    ``images_per_identity``, not on ``num_images``. Neighbours in the list are always different
    people.

    num_images: at least 1; null: 2,000 for training, 200 for validation, 400 for test.
    images_per_identity: pictures of each person; at least 1.
    num_landmarks: 5 (eyes, tip of the nose, corners of the mouth) or 68 (iBUG order).
    seed: seed of the people's looks; at least 0.
    """

    def __init__(self, split: str, imwidth: int, crop: int = 0, use_keypoints: bool = False,
                 do_augmentations: bool = True, num_images: int | None = None,
                 images_per_identity: int = 1, num_landmarks: int = 5, seed: int = 0):
        super().__init__(split, imwidth, crop, use_keypoints, do_augmentations)
        num_images = NUM_IMAGES[split] if num_images is None else num_images
        for name, value, least in (("num_images", num_images, 1), ("seed", seed, 0),
                                   ("images_per_identity", images_per_identity, 1)):
            if value < least:
                raise ValueError(f"{name} = {value}, expected {least} or more")
        if num_landmarks not in NUM_LANDMARKS:
            raise ValueError(f"num_landmarks = {num_landmarks}, expected 5 or 68")
        self.num_images, self.images_per_identity = num_images, images_per_identity
        self.num_landmarks, self.seed = num_landmarks, seed
        self.eye_indices = (0, 1) if num_landmarks == 5 else (36, 45)

    def __len__(self):
        return self.num_images

    def source_files(self):
        return sorted(Path(face_renderer.__file__).parent.glob("*.py"))

    def load(self, index):
        if not 0 <= index < self.num_images:
            raise IndexError(f"image {index} of {self.num_images}")
        return render_face(self.seed, index, self.imwidth, self.num_landmarks, self.split,
                           self.images_per_identity)
