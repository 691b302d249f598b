"""Images and what is drawn on them as SVG, self-contained."""

import base64
import io

from matplotlib.colors import to_hex
from PIL import Image

from misc.reporting.markup import Markup, join, tag
from utils.visualization import landmark_colours

JPEG_QUALITY = 88
GAP = 2  # pixels between the two images of a pair


def jpeg(image):
    """Return an image (3, H, W) uint8 as a data URI."""
    return _data_uri(image, "JPEG", quality=JPEG_QUALITY, subsampling=0)


def png(image):
    """Return colours (3, H, W) in [0, 1] as a data URI, to the bit of their 8 bits."""
    return _data_uri((255 * image).round().byte(), "PNG", optimize=True)


def _data_uri(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).contiguous().numpy()).save(buffer, kind, **options)
    coded = base64.b64encode(buffer.getvalue()).decode()
    return f"data:image/{kind.lower()};base64,{coded}"


def plain(image, alt):
    """Show an image (3, H, W) uint8."""
    return tag("img", src=jpeg(image), alt=alt, width=image.shape[2], height=image.shape[1])


def cells(colours, alt):
    """Show colours (3, h, w) in [0, 1] of a map, each cell a square."""
    h, w = colours.shape[1:]
    return tag("img", src=png(colours), alt=alt, width=w, height=h, class_="cells")


def pair(source, target, points, matched, truth, alt):
    """Show two images (3, H, W) side by side, each landmark of the first, (K, 2) in pixels, joined
    to its match in the second; crosses are its true places.
    """
    H, W = source.shape[1:]
    shift = W + GAP
    return _drawing(
        (2 * W + GAP, H),
        alt,
        _picture(source, _dots(points, W), 0),
        _picture(target, join([_crosses(truth, W), _dots(matched, W)]), shift),
        _joins(points, matched, shift),
    )


def landmarks(image, predicted, truth, alt):
    """Show an image (3, H, W) with landmarks (K, 2): predicted as dots, true ones as crosses."""
    H, W = image.shape[1:]
    overlay = join([_crosses(truth, W), _dots(predicted, W)])
    return _drawing((W, H), alt, _picture(image, overlay, 0))


def virtual_keypoints(image, places, alt):
    """Show an image (3, H, W) with the virtual keypoints (K, V, 2) of each landmark in a colour."""
    H, W = image.shape[1:]
    clouds = [
        tag("path", d=_moves(cloud, "h0"), stroke=colour, stroke_width=f"{W / 40:.2f}")
        for cloud, colour in zip(places, _colours(len(places)))
    ]
    overlay = tag("g", *clouds, stroke_linecap="round", stroke_opacity=0.8)
    return _drawing((W, H), alt, _picture(image, overlay, 0))


def _drawing(size, alt, *parts):
    view = f"0 0 {size[0]} {size[1]}"
    return tag("svg", *parts, class_="picture", viewBox=view, role="img", aria_label=alt)


def _picture(image, overlay, x):
    """Place an image and what lies on it, cut at its border; pixel centres are whole numbers."""
    H, W = image.shape[1:]
    size = {"width": W, "height": H}
    shown = tag("image", href=jpeg(image), x=-0.5, y=-0.5, **size)
    return tag("svg", shown, overlay, x=x, y=0, viewBox=f"-0.5 -0.5 {W} {H}", **size)


def _dots(points, W):
    style = {"stroke": "#fff", "stroke_width": f"{W / 150:.2f}"}
    dots = [
        tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=f"{W / 45:.2f}", fill=colour)
        for (x, y), colour in zip(points.tolist(), _colours(len(points)))
    ]
    return tag("g", *dots, **style)


def _crosses(points, W):
    a = W / 32
    stroke = f"m{-a:.1f} {-a:.1f}l{2 * a:.1f} {2 * a:.1f}m0 {-2 * a:.1f}l{-2 * a:.1f} {2 * a:.1f}"
    crosses = [
        tag("path", d=_moves([point], stroke), stroke=colour)
        for point, colour in zip(points, _colours(len(points)))
    ]
    return tag("g", *crosses, fill="none", stroke_width=f"{W / 70:.2f}")


def _joins(starts, ends, shift):
    """Draw lines between points of the first image and points of one that begins at ``shift``."""
    lines = [
        tag(
            "path",
            d=f"M{x1 + 0.5:.1f} {y1 + 0.5:.1f}L{x2 + shift + 0.5:.1f} {y2 + 0.5:.1f}",
            stroke=colour,
        )
        for (x1, y1), (x2, y2), colour in zip(starts.tolist(), ends.tolist(), _colours(len(starts)))
    ]
    return tag("g", *lines, stroke_width=0.6, stroke_opacity=0.85)


def _moves(points, stroke):
    """Return the path that repeats a stroke at each of some points (n, 2)."""
    return Markup("".join(f"M{x:.1f} {y:.1f}{stroke}" for x, y in points))


def _colours(K):
    return [to_hex(colour) for colour in landmark_colours(K)]
