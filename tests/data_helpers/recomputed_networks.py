"""The networks once more, as functions of their state dicts and nothing else, conv by conv."""

import torch
import torch.nn.functional as F


def conv(state, name, x, **options):
    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)


def norm(state, name, x):
    """Batch norm by its running statistics, or group norm where there are none."""
    if f"{name}.running_mean" in state:
        mean, var = (state[f"{name}.running_{key}"][:, None, None] for key in ("mean", "var"))
        centred = (x - mean) / (var + 1e-5).sqrt()
    else:
        groups = x.reshape(len(x), 16, -1)
        var, mean = torch.var_mean(groups, dim=-1, keepdim=True, correction=0)
        centred = ((groups - mean) / (var + 1e-5).sqrt()).reshape(x.shape)
    return centred * state[f"{name}.weight"][:, None, None] + state[f"{name}.bias"][:, None, None]


def recomputed_smallnet(state, images):
    x = images
    for number, (padding, dilation) in enumerate([(2, 1), (2, 1), (4, 2), (4, 4), (2, 2)], start=1):
        x = conv(state, f"conv{number}.0", x, padding=padding, dilation=dilation)
        x = norm(state, f"conv{number}.1", x)
        x = torch.where(x > 0, x, 0.2 * x)
        if number == 1:
            x = F.max_pool2d(x, 2)
    return conv(state, "conv6", x)


def bottleneck(state, name, x):
    inner = x
    for number in (1, 2, 3):
        inner = norm(state, f"{name}.bn{number}", inner).clamp(min=0)
        inner = conv(state, f"{name}.conv{number}", inner, padding=int(number == 2))
    if f"{name}.downsample.weight" in state:
        x = conv(state, f"{name}.downsample", x)
    return inner + x


def stage(state, name, x):
    block = 0
    while f"{name}.{block}.conv1.weight" in state:
        x = bottleneck(state, f"{name}.{block}", x)
        block += 1
    return x


def hourglass(state, name, x, level=4):
    skip = stage(state, f"{name}.layer{level}_1", x)
    low = stage(state, f"{name}.layer{level}_2", F.max_pool2d(skip, 2))
    if level > 1:
        low = hourglass(state, name, low, level - 1)
    else:
        low = stage(state, f"{name}.layer1_4", low)
    low = stage(state, f"{name}.layer{level}_3", low)
    rows, columns = (torch.arange(n) * m // n for n, m in zip(skip.shape[-2:], low.shape[-2:]))
    return skip + low[:, :, rows][:, :, :, columns]


def recomputed_hourglass(state, images, num_stacks=1):
    x = norm(state, "bn1", conv(state, "conv1", images, stride=2, padding=3)).clamp(min=0)
    for name in ("layer1", "layer2", "layer3"):
        x = stage(state, name, x)
    for stack in range(num_stacks):
        x = hourglass(state, f"hg.{stack}", x)
    last = f"output_layers.{num_stacks - 1}"
    x = conv(state, f"{last}.1", stage(state, f"{last}.0", x))
    x = conv(state, f"{last}.4", norm(state, f"{last}.2", x).clamp(min=0))
    if "normscale" in state:
        x = state["normscale"] * x / x.square().sum(dim=1, keepdim=True).sqrt()
    return x


def looped_landmarks(state, descriptors, softargmax_mul):
    """Literally: each virtual keypoint of each landmark by itself; (B, K, 2), normalised."""
    B, C, h, w = descriptors.shape
    x, y = torch.linspace(-1, 1, w).double(), torch.linspace(-1, 1, h).double()
    inner, linear = state["inner_conv.weight"].double(), state["reg_conv.weight"].double()
    num_landmarks = len(linear) // 2
    virtual = len(inner) // num_landmarks
    landmarks = torch.zeros(B, num_landmarks, 2, dtype=torch.float64)
    for b in range(B):
        for k in range(num_landmarks):
            places = []
            for filter_ in inner[k * virtual:(k + 1) * virtual, :, 0, 0]:
                heat = softargmax_mul * torch.einsum("c,chw->hw", filter_, descriptors[b].double())
                heat = heat.flatten().softmax(dim=0).reshape(h, w)
                places += [(heat.sum(dim=0) * x).sum(), (heat.sum(dim=1) * y).sum()]
            landmarks[b, k] = linear[2 * k:2 * k + 2, :, 0, 0] @ torch.stack(places)
    return landmarks


def upsampled_by_two(x):
    """Bilinear, align_corners False: weights 3/4 and 1/4 towards the neighbour, edges repeated."""
    for dim in (2, 3):
        length = x.shape[dim]
        before = x.index_select(dim, (torch.arange(length) - 1).clamp(min=0))
        after = x.index_select(dim, (torch.arange(length) + 1).clamp(max=length - 1))
        halves = torch.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * after], dim=dim + 1)
        x = halves.flatten(dim, dim + 1)
    return x
