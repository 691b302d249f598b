"""Pictures of what a trained model finds: matches, colours of the embedding, landmarks."""

import torch
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from utils.visualization import as_pixels, draw_landmarks, landmark_colours

ROW_INCHES = 1.5


def pca_colours(maps):
    """Map descriptors (B, C, h, w) to RGB (B, 3, h, w) in [0, 1] by their first three principal
    components, shared by all.
    """
    cells = maps.transpose(0, 1).flatten(1).T
    centred = cells - cells.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    projected = centred @ axes[:3].T
    low, high = projected.quantile(0.02, dim=0), projected.quantile(0.98, dim=0)
    span = (high - low).clamp(min=torch.finfo(low.dtype).tiny)  # 0 where all cells are alike
    colours = ((projected - low) / span).clamp(0, 1)
    return colours.T.reshape(3, len(maps), *maps.shape[-2:]).transpose(0, 1)


def match_figure(first, second, points_first, matched, columns=4):
    """Draw pairs of images side by side, each landmark joined to its match.

    first, second: (M, 3, H, W) uint8; points_first, matched: (M, K, 2), pixels.
    """
    columns = min(columns, len(first))
    rows = -(-len(first) // columns)
    figure = Figure(figsize=(2 * ROW_INCHES * columns, ROW_INCHES * rows), layout="constrained")
    for m in range(len(first)):
        row, column = divmod(m, columns)
        left, right = (
            figure.add_subplot(rows, 2 * columns, row * 2 * columns + 2 * column + side)
            for side in (1, 2)
        )
        for axes, image, points in (
            (left, first[m], points_first[m]),
            (right, second[m], matched[m]),
        ):
            _show(axes, image)
            axes.scatter(
                *points.T.numpy(),
                c=landmark_colours(len(points)),
                s=12,
                edgecolors="white",
                linewidths=0.5
            )
        for start, end, colour in zip(
            points_first[m].tolist(), matched[m].tolist(), landmark_colours(len(matched[m]))
        ):
            figure.add_artist(
                ConnectionPatch(
                    start, end, "data", "data", axesA=left, axesB=right, color=colour, lw=0.8
                )
            )
    return figure


def overview_figure(images, maps, query, matched, predicted, truth):
    """Draw, for each image, what was learned; the first column is the source of the matches.

    images: (M, 3, H, W) uint8; maps: (M, C, h, w); query: (K, 2), landmarks of image 0; matched:
    (M, K, 2), their matches in each; predicted, truth: (M, K, 2), landmarks of the regressor and of
    the data set. All points in pixels.
    """
    M = len(images)
    titles = (
        "image",
        "descriptors,\nin three colours",
        "landmarks of the\nfirst image, matched",
        "landmarks,\nregressed",
    )
    figure = Figure(figsize=(ROW_INCHES * M + 1.2, ROW_INCHES * len(titles)), layout="constrained")
    grid = figure.subplots(len(titles), M, squeeze=False)
    for row, title in zip(grid, titles):
        row[0].set_ylabel(title, rotation=0, ha="right", va="center")
    colours = pca_colours(maps)
    for m in range(M):
        for row in (0, 2, 3):
            _show(grid[row, m], images[m])
        _show(grid[1, m], colours[m])
        points = query if m == 0 else matched[m]
        grid[2, m].scatter(
            *points.T.numpy(),
            c=landmark_colours(len(points)),
            s=26,
            edgecolors="white",
            linewidths=0.7,
            marker="s" if m == 0 else "o"
        )
        draw_landmarks(grid[3, m], predicted[m], truth[m])
    return figure


def _show(axes, image):
    axes.imshow(as_pixels(image[None])[0])
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
