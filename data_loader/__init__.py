"""From files to items of one shape; see ``base_dataset``."""

from data_loader.landmark_folder import LandmarkFolder
from data_loader.synthetic_faces import SyntheticFaces

DATASETS = {cls.__name__: cls for cls in (LandmarkFolder, SyntheticFaces)}
