"""Data sets: files in, items of one shape out, see ``base_dataset``."""

from data_loader.aflw import AFLW
from data_loader.aflw_mtfl import AFLW_MTFL
from data_loader.celeba import CelebAPrunedAligned_MAFLVal, MAFLAligned
from data_loader.landmark_folder import LandmarkFolder
from data_loader.synthetic_faces import SyntheticFaces
from data_loader.three_hundred_w import ThreeHundredW

DATASETS = {
    cls.__name__: cls
    for cls in (
        CelebAPrunedAligned_MAFLVal,
        MAFLAligned,
        AFLW,
        AFLW_MTFL,
        ThreeHundredW,
        LandmarkFolder,
        SyntheticFaces,
    )
}
