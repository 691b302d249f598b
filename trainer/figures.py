"""The figures of an evaluation, with titles, units and log lines."""

from dataclasses import dataclass

SAME, DIFFERENT = "same_identity_px", "different_identity_px"
SAME_COSINE, DIFFERENT_COSINE = "same_identity_cosine_px", "different_identity_cosine_px"
LANDMARKS = "inter_ocular_error_pct"
LANDMARK_PIXELS = "pixel_error_px"  # if no two landmarks normalise the error
MATCHING = (SAME, DIFFERENT, SAME_COSINE, DIFFERENT_COSINE)


@dataclass(frozen=True)
class FigureText:
    """The texts of a figure.

    unit: pixels are those of a 70 x 70 image.
    of: what it is the mean over.
    log_line: text before the value in info.log.
    """

    title: str
    unit: str
    of: str
    log_line: str


FIGURES = {
    SAME: FigureText("Same identity", "px of 70", "pairs", "Mean Pixel Error (same-identity)"),
    DIFFERENT: FigureText(
        "Different identity", "px of 70", "pairs", "Mean Pixel Error (different-identity)"
    ),
    SAME_COSINE: FigureText(
        "Same identity, cosine",
        "px of 70",
        "pairs",
        "Mean Pixel Error (same-identity; cosine, upsampled)",
    ),
    DIFFERENT_COSINE: FigureText(
        "Different identity, cosine",
        "px of 70",
        "pairs",
        "Mean Pixel Error (different-identity; cosine, upsampled)",
    ),
    LANDMARKS: FigureText(
        "Landmarks", "% of the eyes' distance", "images", "Inter-ocular error (%)"
    ),
    LANDMARK_PIXELS: FigureText(
        "Landmarks", "px of 70", "images", "Mean Pixel Error (landmarks)"
    ),
}
