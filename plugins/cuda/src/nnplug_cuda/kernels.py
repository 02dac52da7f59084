"""Triton kernels of instance norm with leaky ReLU; `fused_norm` launches them and describes their arguments.

A map is (samples, voxels, channels) in memory. A block of threads holds `rows` x `width` numbers at once. Reductions
divide the voxels of a sample into parts of `share` voxels, and add the parts in a fixed order.
"""

# ruff: noqa: ANN001, ANN201 - Triton's own types are not written down

import triton
import triton.language as tl


@triton.jit
def sum_moments(x, parts, voxels, channels, share, rows: tl.constexpr, width: tl.constexpr):
    """Write the sums of a part's values and of their squares, both relative to the first voxel of the sample."""
    part, sample = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * width + tl.arange(0, width)
    inside = channel < channels
    first = tl.load(x + sample * voxels * channels + channel, mask=inside, other=0.0).to(tl.float32)
    total = tl.zeros((rows, width), tl.float32)
    squares = tl.zeros((rows, width), tl.float32)
    tile = tl.arange(0, rows)[:, None] * channels + channel[None, :]
    for start in range(part * share, tl.minimum((part + 1) * share, voxels), rows):
        there = (start + tl.arange(0, rows) < voxels)[:, None] & inside[None, :]
        values = tl.load(x + (sample * voxels + start) * channels + tile, mask=there, other=0.0).to(tl.float32)
        values = tl.where(there, values - first[None, :], 0.0)
        total += values
        squares += values * values
    place = parts + (sample * tl.num_programs(0) + part) * 2 * channels + channel
    tl.store(place, tl.sum(total, 0), mask=inside)
    tl.store(place + channels, tl.sum(squares, 0), mask=inside)


@triton.jit
def join_moments(x, parts, found, epsilon, samples, voxels, channels, splits, width: tl.constexpr):
    """Write mean and inverse deviation of each channel from the sums of the parts."""
    sample = tl.program_id(1).to(tl.int64)
    channel = tl.program_id(0) * width + tl.arange(0, width)
    inside = channel < channels
    total, squares = tl.zeros((width,), tl.float32), tl.zeros((width,), tl.float32)
    for part in range(splits):
        place = parts + (sample * splits + part) * 2 * channels + channel
        total += tl.load(place, mask=inside, other=0.0)
        squares += tl.load(place + channels, mask=inside, other=0.0)
    first = tl.load(x + sample * voxels * channels + channel, mask=inside, other=0.0).to(tl.float32)
    mean = total / voxels
    variance = tl.maximum(squares / voxels - mean * mean, 0.0)
    target = found + sample * channels + channel
    tl.store(target, mean + first, mask=inside)
    tl.store(target + samples * channels, 1.0 / tl.sqrt(variance + epsilon), mask=inside)


@triton.jit
def normalise(x, y, found, weight, bias, slope, samples, voxels, channels, rows: tl.constexpr, width: tl.constexpr):
    sample = tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * width + tl.arange(0, width)
    inside = channel < channels
    mean = tl.load(found + sample * channels + channel, mask=inside, other=0.0)
    inverse = tl.load(found + (samples + sample) * channels + channel, mask=inside, other=0.0)
    scale = inverse * tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    start = tl.program_id(0) * rows
    there = (start + tl.arange(0, rows) < voxels)[:, None] & inside[None, :]
    first = (sample * voxels + start) * channels
    tile = tl.arange(0, rows)[:, None] * channels + channel[None, :]
    values = tl.load(x + first + tile, mask=there, other=0.0).to(tl.float32)
    values = (values - mean[None, :]) * scale[None, :] + shift[None, :]
    values = tl.where(values > 0, values, values * slope)
    tl.store(y + first + tile, values.to(y.dtype.element_ty), mask=there)


@triton.jit
def sum_gradients(
    gradient,
    x,
    found,
    weight,
    bias,
    slope,
    parts,
    samples,
    voxels,
    channels,
    share,
    rows: tl.constexpr,
    width: tl.constexpr,
):
    """Write the sums of a part's gradients before the leaky ReLU, and of their products with the normalised values."""
    part, sample = tl.program_id(0), tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * width + tl.arange(0, width)
    inside = channel < channels
    mean = tl.load(found + sample * channels + channel, mask=inside, other=0.0)
    inverse = tl.load(found + (samples + sample) * channels + channel, mask=inside, other=0.0)
    scale = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    total = tl.zeros((rows, width), tl.float32)
    products = tl.zeros((rows, width), tl.float32)
    tile = tl.arange(0, rows)[:, None] * channels + channel[None, :]
    for start in range(part * share, tl.minimum((part + 1) * share, voxels), rows):
        there = (start + tl.arange(0, rows) < voxels)[:, None] & inside[None, :]
        first = (sample * voxels + start) * channels
        values = tl.load(x + first + tile, mask=there, other=0.0).to(tl.float32)
        values = (values - mean[None, :]) * inverse[None, :]
        slopes = tl.load(gradient + first + tile, mask=there, other=0.0).to(tl.float32)
        slopes = tl.where(values * scale[None, :] + shift[None, :] > 0, slopes, slopes * slope)
        total += slopes
        products += slopes * values
    place = parts + (sample * tl.num_programs(0) + part) * 2 * channels + channel
    tl.store(place, tl.sum(total, 0), mask=inside)
    tl.store(place + channels, tl.sum(products, 0), mask=inside)


@triton.jit
def join_gradients(parts, sums, samples, channels, splits, width: tl.constexpr):
    """Write the sums over all parts of a sample."""
    sample = tl.program_id(1).to(tl.int64)
    channel = tl.program_id(0) * width + tl.arange(0, width)
    inside = channel < channels
    total, products = tl.zeros((width,), tl.float32), tl.zeros((width,), tl.float32)
    for part in range(splits):
        place = parts + (sample * splits + part) * 2 * channels + channel
        total += tl.load(place, mask=inside, other=0.0)
        products += tl.load(place + channels, mask=inside, other=0.0)
    tl.store(sums + sample * channels + channel, total, mask=inside)
    tl.store(sums + (samples + sample) * channels + channel, products, mask=inside)


@triton.jit
def gradient_of_input(
    gradient,
    x,
    found,
    weight,
    bias,
    slope,
    sums,
    for_x,
    samples,
    voxels,
    channels,
    rows: tl.constexpr,
    width: tl.constexpr,
):
    sample = tl.program_id(2).to(tl.int64)
    channel = tl.program_id(1) * width + tl.arange(0, width)
    inside = channel < channels
    here, there_too = sample * channels + channel, (samples + sample) * channels + channel
    mean = tl.load(found + here, mask=inside, other=0.0)
    inverse = tl.load(found + there_too, mask=inside, other=0.0)
    scale = tl.load(weight + channel, mask=inside, other=0.0).to(tl.float32)
    shift = tl.load(bias + channel, mask=inside, other=0.0).to(tl.float32)
    total = tl.load(sums + here, mask=inside, other=0.0) / voxels
    products = tl.load(sums + there_too, mask=inside, other=0.0) / voxels
    start = tl.program_id(0) * rows
    there = (start + tl.arange(0, rows) < voxels)[:, None] & inside[None, :]
    first = (sample * voxels + start) * channels
    tile = tl.arange(0, rows)[:, None] * channels + channel[None, :]
    values = tl.load(x + first + tile, mask=there, other=0.0).to(tl.float32)
    values = (values - mean[None, :]) * inverse[None, :]
    slopes = tl.load(gradient + first + tile, mask=there, other=0.0).to(tl.float32)
    slopes = tl.where(values * scale[None, :] + shift[None, :] > 0, slopes, slopes * slope)
    result = (slopes - total[None, :] - values * products[None, :]) * (inverse * scale)[None, :]
    tl.store(for_x + first + tile, result.to(for_x.dtype.element_ty), mask=there)
