"""The matching evaluation in both protocols, on images in memory."""

from functools import partial

import torch

from data_loader.base_dataset import KeypointDataset
from misc.benchmarking.subject import Subject
from model import HourglassNet, SmallNet
from trainer.evaluation.matching import evaluate_matching

NUM_IMAGES, CHANNELS = 64, 64
FRAMES = {SmallNet: (100, 15), HourglassNet: (136, 20)}  # imwidth, crop


class DecodedImages(KeypointDataset):
    """Noise with five landmarks."""

    def __init__(self, imwidth, crop):
        super().__init__("test", imwidth, crop, use_keypoints=True)
        generator = torch.Generator().manual_seed(0)
        shape = (NUM_IMAGES, imwidth, imwidth, 3)
        self.images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).numpy()
        self.keypts = (imwidth * torch.rand(NUM_IMAGES, 5, 2, generator=generator)).numpy()

    def __len__(self):
        return NUM_IMAGES

    def load(self, index):
        return self.images[index], self.keypts[index]


def make_evaluation(backbone, device):
    """Return a function that evaluates a network with fresh weights."""
    torch.manual_seed(0)
    network = backbone(CHANNELS).to(device, memory_format=torch.channels_last)
    dataset = DecodedImages(*FRAMES[backbone])

    def evaluate():
        figures, _ = evaluate_matching(network, dataset, device, num_workers=0)
        return figures["same_identity_px"]

    return evaluate


SUBJECT = Subject(
    f"Matching, both protocols: {NUM_IMAGES} decoded images, 64-d",
    {backbone.__name__: partial(make_evaluation, backbone) for backbone in FRAMES},
    count=NUM_IMAGES,
)
