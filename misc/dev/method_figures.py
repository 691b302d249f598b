"""Draw the figures of docs/method.md: warped pairs, the exchange, both matching protocols."""

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from data_loader.augmentation import normalise
from model.loss import cell_stride
from model.matching import best_cells, cosine_at_pixels, nearest_cells, read_cells
from model.objectives import Cells, ExpectedDistance, NegativeLogLikelihood
from trainer.datasets import evaluation_dataset
from trainer.evaluation.results import load_for_evaluation
from trainer.parts import build_pair_warper
from utils.drawing.visualizations import as_pixels, landmark_colours
from utils.geometry.coordinates import to_pixels
from utils.keyed_random import sample_keys

IMAGES = [2, 10, 17]  # of the test split
SHOWN_LANDMARKS = [0, 2, 4]  # an eye, the nose, a corner of the mouth
INCHES = 1.7
STRIDE_ON_LINE = 2  # pixels between the cells that show gradients
LINES_EVERY = 5  # pixels, of the lattice that shows a warp


def make_pairs(config, dataset, device):
    """Return a ``WarpedPair`` of a few test images, warped as in training."""
    items = [dataset[index] for index in IMAGES]
    images, keypts = (torch.stack([item[name] for item in items]) for name in ("image", "keypts"))
    warper = build_pair_warper(config, dataset)
    keys = sample_keys(config.seed, 1, torch.tensor(IMAGES))
    return warper(images.to(device), keypts.to(device), warper.draw_keyed(keys))


def draw_pairs(pair):
    """Return a figure of pairs: x, x' and the warp g of a lattice and of the landmarks."""
    figure, grid = _axes(len(pair.first), 3)
    H, W = pair.first.shape[-2:]
    places = to_pixels(pair.grid_1to2, H, W).cpu()  # g, in pixels of the second view
    for row, (axes, auxiliary) in enumerate(zip(grid, pair.first.roll(-1, dims=0))):
        views = pair.first[row], pair.second[row], auxiliary
        for ax, view, title in zip(axes, views, ("x", "x'", "xa: x of the next pair")):
            _show(ax, view)
            ax.set_title(title if row == 0 else "", fontsize=9)
        still = torch.stack(torch.meshgrid(torch.arange(W), torch.arange(H), indexing="xy"), -1)
        _draw_lattice(axes[0], still)
        _draw_lattice(axes[1], places[row])
        points = pair.keypts_first[row].round().long().cpu()
        _draw_points(axes[0], points)
        _draw_points(axes[1], _warped(places[row], points))
    return figure


def draw_exchange(pair, maps, stride, scale=1):
    """Return a figure of the probabilities in the loss, for a few cells u of the first image.

    maps: descriptors of the first and of the second views, each (B, C, h, w).
    scale: factor of cosines, if these are of length 1.
    """
    first, second = (desc.flatten(2).mT for desc in maps)
    auxiliary = first.roll(-1, dims=0)
    size = maps[0].shape[-2:]
    rebuilt = (scale * first @ auxiliary.mT).softmax(dim=-1) @ auxiliary  # the exchange
    if scale != 1:
        rebuilt = F.normalize(rebuilt, dim=-1)
    H, W = pair.first.shape[-2:]
    places = to_pixels(pair.grid_1to2[0], H, W).cpu()
    figure, grid = _axes(len(SHOWN_LANDMARKS), 4)
    for axes, landmark in zip(grid, SHOWN_LANDMARKS):
        cell = nearest_cells(pair.keypts_first[:1, landmark : landmark + 1], stride, size)[0, 0]
        u = int(cell[1] * size[1] + cell[0])
        point = (cell * stride).cpu()[None]
        truth = _warped(places, point)
        _show(axes[0], pair.first[0])
        _draw_points(axes[0], point)
        for ax, image, query, keys, cross in (
            (axes[1], pair.first[1], first, auxiliary, None),
            (axes[2], pair.second[0], first, second, truth),
            (axes[3], pair.second[0], rebuilt, second, truth),
        ):
            probability = (scale * query[0, u] @ keys[0].T).softmax(dim=-1).unflatten(0, size)
            _show_heat(ax, image, probability, stride)
            if cross is not None:
                ax.scatter(*cross.T.numpy(), marker="x", c="deepskyblue", s=45)
    titles = ("x, with u", "p(w | u; x, xa)", "p(v | u; x, x')", "the same, exchanged")
    for ax, title in zip(grid[0], titles):
        ax.set_title(title, fontsize=9)
    return figure


def draw_protocols(pair, maps, stride):
    """Return a figure of the scores of both matching protocols, for a few landmarks of the first
    image in the image of another person; crosses: the truth, dots: the matches.
    """
    source, target = maps[0][:1], maps[1][1:2]
    size = pair.first.shape[-2:]
    dense = [cosine_at_pixels(desc, stride, size) for desc in (source, target)]
    figure, grid = _axes(len(SHOWN_LANDMARKS), 3)
    for axes, landmark in zip(grid, SHOWN_LANDMARKS):
        point = pair.keypts_first[:1, landmark : landmark + 1]
        _show(axes[0], pair.first[0])
        _draw_points(axes[0], point[0].cpu())
        for ax, (of_source, of_target), step in (
            (axes[1], (source, target), stride),
            (axes[2], dense, 1),
        ):
            query = read_cells(of_source, nearest_cells(point, step, of_source.shape[-2:]))
            scores = (query[0] @ of_target[0].flatten(1)).unflatten(-1, of_target.shape[-2:])[0]
            _show_heat(ax, pair.second[1], scores - scores.min(), step)
            ax.scatter(*pair.keypts_second[1, landmark].tolist(), marker="x", c="deepskyblue", s=45)
            _draw_points(ax, (best_cells(query, of_target) * step)[0].cpu())
    titles = ("source", "dot product, at cells", "cosine, at every pixel")
    for ax, title in zip(grid[0], titles):
        ax.set_title(title, fontsize=9)
    return figure


def draw_gradients():
    """Return a figure of two matches p along a line of cells, and of where losses move them.

    One match has hardly any of its probability on the right place, the other half of it; what moves
    them is the negative gradient with respect to the logits.
    """
    places, truth = STRIDE_ON_LINE * torch.arange(36.0), 50.0
    near = [(-((places - place) ** 2) / (2 * 4**2)).exp() for place in (18.0, truth)]
    wrong, right = (bump / bump.sum() for bump in near)
    cells = Cells(1, len(places), STRIDE_ON_LINE)
    objectives = {
        "expected distance": (1, ExpectedDistance(0.5)),
        "likelihood": (1, NegativeLogLikelihood(3, 1e-9)),
        "bounded likelihood, 4 times": (4, NegativeLogLikelihood(3, 3)),
    }
    figure = Figure(figsize=(4.2 * INCHES, 2.7 * INCHES), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for (upper, lower), share in zip(grid.T, (0.03, 0.5)):
        prob = (1 - share) * wrong + share * right
        upper.plot(places, prob, color="black")
        upper.set_title(f"p(v | u), {share:.0%} of it near g(u)", fontsize=9)
        for label, (times, objective) in objectives.items():
            logits, warped = prob.log()[None, None], torch.tensor([[[truth, 0.0]]])
            workspace = torch.empty_like(logits)
            expected, gradient = objective.expectation(logits, cells, warped, workspace)
            _, slope = objective.of_expectation(expected)
            lower.plot(places, -times * (slope * gradient)[0, 0], label=label)
        lower.set_title("change of the logits", fontsize=9)
        lower.set_xlabel("v, pixels", fontsize=8)
        for ax in (upper, lower):
            ax.axvline(truth, color="gray", ls="--", lw=0.8)
            ax.tick_params(labelsize=7)
    grid[1, 0].legend(fontsize=7, frameon=False)
    return figure


def _warped(places, points):
    """Return g at points (N, 2), whole pixels; places: g at each pixel, (H, W, 2)."""
    return places[points[:, 1].clamp(0, len(places) - 1), points[:, 0].clamp(0, len(places[0]) - 1)]


def _axes(rows, columns):
    figure = Figure(figsize=(INCHES * columns, INCHES * rows + 0.2), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _show(ax, image):
    ax.imshow(as_pixels(image[None].cpu())[0])
    ax.set_axis_off()
    ax.autoscale(False)


def _show_heat(ax, image, values, stride):
    """Show values (h, w), at least 0, over a grey image (3, H, W); cells lie ``stride`` apart."""
    grey = image.float().mean(dim=0).cpu()
    ax.imshow(grey.numpy(), cmap="gray", vmin=-100, vmax=255)
    (h, w), half = values.shape, stride / 2
    extent = (-half, stride * w - half, stride * h - half, -half)
    share = (values / values.max()).cpu().numpy()
    ax.imshow(share, cmap="inferno", alpha=0.15 + 0.75 * share, extent=extent)
    ax.set_axis_off()
    ax.set_xlim(-0.5, grey.shape[1] - 0.5)
    ax.set_ylim(grey.shape[0] - 0.5, -0.5)


def _draw_lattice(ax, places):
    """Draw lines through places (H, W, 2), row by row and column by column."""
    for lines in (places[::LINES_EVERY], places[:, ::LINES_EVERY].transpose(0, 1)):
        for line in lines:
            ax.plot(*line.T.numpy(), color="white", lw=0.5, alpha=0.7)


def _draw_points(ax, points):
    ax.scatter(
        *points.T.numpy(), c=landmark_colours(len(points)), s=24, edgecolors="white", linewidths=0.7
    )


@torch.no_grad()
def draw_figures(config, checkpoint, device):
    """Return {name: figure}."""
    dataset = evaluation_dataset(config)
    backbone = load_for_evaluation(config, checkpoint, dataset, device)
    pair = make_pairs(config, dataset, device)
    maps = [backbone(normalise(view)) for view in (pair.first, pair.second)]
    stride = cell_stride(maps[0].shape[-2:], pair.first.shape[-2:])
    scale = 1 if backbone.unit_length is None else backbone.unit_length.scale.item()
    return {
        "method-pair": draw_pairs(pair),
        "method-exchange": draw_exchange(pair, maps, stride, scale),
        "method-gradients": draw_gradients(),
        "method-protocols": draw_protocols(pair, maps, stride),
    }
