"""Convolutions, pools and the other linear nodes as matrices: what PyTorch computes, and what cannot be read."""

import nir
import numpy as np
import pytest
import torch

from ff2neuro.errors import GraphError
from ff2neuro.hardware.linear_nodes import linear_map

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


def assert_same(name, node, module, shape, rng):
    """Apply both to whole numbers, whose sums are exact, and compare values and shape."""
    linear = linear_map(name, node, shape)
    values = rng.integers(-9, 10, shape).astype(float)
    with torch.no_grad():
        expected = module(torch.as_tensor(values)[None])[0].numpy()
    assert linear.shape == expected.shape
    found = linear.matrix @ values.ravel() + linear.offset
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-15, atol=0)


def conv2d(rng, n_in, n_out, kernel, stride, padding, dilation, groups):
    weight = rng.integers(-9, 10, (n_out, n_in // groups, *kernel)).astype(float)
    bias = rng.integers(-9, 10, n_out).astype(float)
    module = torch.nn.Conv2d(n_in, n_out, kernel, stride, padding, dilation, groups).double()
    module.weight.data, module.bias.data = torch.as_tensor(weight), torch.as_tensor(bias)
    return nir.Conv2d(None, weight, stride, padding, dilation, groups, bias), module


@pytest.mark.parametrize(
    ("shape", "n_out", "kernel", "stride", "padding", "dilation", "groups"),
    [
        ((1, 5, 5), 2, (3, 3), 1, 0, 1, 1),
        # NIR's own inference gives (3, 6, 8) for this one.
        ((1, 8, 10), 3, (3, 5), 1, 0, 1, 1),
        ((2, 7, 9), 4, (3, 2), (2, 3), (1, 0), (1, 2), 1),
        ((4, 6, 6), 6, (3, 3), 2, 1, 1, 2),
        ((3, 6, 5), 3, (2, 3), 1, 2, 2, 3),
        ((3, 6, 5), 6, (2, 3), 1, 2, 1, 3),
        ((2, 6, 7), 2, (4, 3), 1, "same", (1, 2), 1),
        ((2, 6, 7), 2, (4, 3), (2, 1), "valid", 1, 1),
        ((2, 3, 3), 2, (3, 3), 1, 0, 1, 1),
    ],
)
def test_conv2d_is_pytorchs(shape, n_out, kernel, stride, padding, dilation, groups, rng):
    node, module = conv2d(rng, shape[0], n_out, kernel, stride, padding, dilation, groups)
    assert_same("conv", node, module, shape, rng)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (3, 2, 2, 2), (1, "same", 2, 1), (2, "valid", 1, 1)]
)
def test_conv1d_is_pytorchs(stride, padding, dilation, groups, rng):
    weight = rng.integers(-9, 10, (4, 2 // groups, 4)).astype(float)
    bias = rng.integers(-9, 10, 4).astype(float)
    module = torch.nn.Conv1d(2, 4, 4, stride, padding, dilation, groups).double()
    module.weight.data, module.bias.data = torch.as_tensor(weight), torch.as_tensor(bias)
    node = nir.Conv1d(12, weight, stride, padding, dilation, groups, bias)
    assert_same("conv", node, module, (2, 12), rng)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 0)), ((2, 4), (2, 4), (1, 2))]
)
def test_pools_are_pytorchs(kernel, stride, padding, rng):
    mean = torch.nn.AvgPool2d(kernel, stride, padding)
    total = torch.nn.AvgPool2d(kernel, stride, padding, divisor_override=1)
    arrays = [np.array(each) for each in (kernel, stride, padding)]
    assert_same("pool", nir.AvgPool2d(*arrays), mean, (3, 8, 9), rng)
    assert_same("pool", nir.SumPool2d(*arrays), total, (3, 8, 9), rng)


def test_scale_may_be_a_number_or_one_per_channel_or_one_per_value(rng):
    for scale in (3.0, np.full((2, 1, 1), [[[2.0]], [[-1.0]]]), rng.integers(-9, 10, (2, 3, 4)).astype(float)):
        linear = linear_map("scale", nir.Scale(np.asarray(scale)), (2, 3, 4))
        values = rng.integers(-9, 10, (2, 3, 4)).astype(float)
        np.testing.assert_array_equal(linear.matrix @ values.ravel(), (values * scale).ravel())


@pytest.mark.parametrize("start", [0, 1])
def test_flatten_keeps_the_row_major_order(start, rng):
    node = nir.Flatten({"input": np.array([2, 3, 4])}, start_dim=start)
    flat = linear_map("flatten", node, (2, 3, 4))
    assert flat.shape == (24,)
    np.testing.assert_array_equal(flat.matrix.toarray(), np.eye(24))


def test_a_chain_of_maps_is_pytorchs(rng):
    pool = nir.SumPool2d(*np.array([[2, 2], [2, 2], [0, 0]]))
    nodes, modules = zip(
        conv2d(rng, 1, 4, (3, 5), 1, 1, 1, 1),
        (pool, torch.nn.AvgPool2d(2, 2, divisor_override=1)),
        conv2d(rng, 4, 2, (2, 2), 1, "same", 1, 2),
        strict=True,
    )
    shape, total = (1, 6, 8), None
    for index, node in enumerate(nodes):
        step = linear_map(f"node_{index}", node, shape)
        total = step if total is None else step.after(total)
        shape = step.shape
    values = rng.integers(-9, 10, (1, 6, 8)).astype(float)
    with torch.no_grad():
        expected = torch.nn.Sequential(*modules)(torch.as_tensor(values)[None])[0].numpy()
    assert shape == expected.shape
    np.testing.assert_array_equal((total.matrix @ values.ravel() + total.offset).reshape(shape), expected)


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.float16, np.float32])
def test_weights_of_every_width_are_read_exactly(dtype):
    weight = np.array([[1, -128, 127], [3, 0, -5]], dtype=dtype)
    linear = linear_map("linear", nir.Linear(weight), (3,))
    assert linear.matrix.dtype == np.float64
    np.testing.assert_array_equal(linear.matrix, [[1, -128, 127], [3, 0, -5]])


def test_an_axis_of_length_one_before_the_channels_is_no_batch():
    linear = linear_map("linear", nir.Linear(np.ones((2, 3))), (1, 3))
    assert linear.shape == (2,)


WEIGHT = np.ones((2, 1, 3, 3))


@pytest.mark.parametrize(
    ("node", "shape", "message"),
    [
        (nir.Linear(np.ones((2, 3))), (4, 3), "'it' receives an array of shape .4, 3. with a batch axis"),
        (nir.Linear(np.ones((2, 12))), (4, 3), "insert a Flatten node"),
        (nir.Linear(np.ones((2, 12), dtype=complex)), (12,), "weight is of type complex128; .* real numbers"),
        (nir.Conv2d(None, WEIGHT, 1, 0, 1, 1, np.ones(2)), (8, 1, 5, 5), "without a batch axis"),
        (nir.Conv2d(None, WEIGHT, 1, 0, 1, 1, np.ones(2)), (3, 5, 5), "does not fit the 3 channels"),
        (nir.Conv2d(None, WEIGHT, 1, 0, 1, 1, np.ones(3)), (1, 5, 5), r"bias has shape \(3,\); it must be \(2,\)"),
        (nir.Conv2d(None, WEIGHT, 0, 0, 1, 1, np.ones(2)), (1, 5, 5), "stride is .* at least 1"),
        (nir.Conv2d(None, WEIGHT, 1, -1, 1, 1, np.ones(2)), (1, 5, 5), "padding is .* at least 0"),
        (nir.Conv2d(None, WEIGHT, 2, "same", 1, 1, np.ones(2)), (1, 5, 5), "'same' with stride"),
        (nir.Conv2d(None, WEIGHT, 1, 0, 1, 1, np.ones(2)), (1, 5, 2), "window of 3 is larger than its input, 2"),
        (nir.Conv2d(None, WEIGHT[0], 1, 0, 1, 1, np.ones(2)), (1, 5, 5), "a Conv2d needs four axes"),
        (nir.Conv1d(None, WEIGHT, 1, 0, 1, 1, np.ones(2)), (1, 5), "a Conv1d needs three axes"),
        (nir.AvgPool2d(*np.array([[2, 2], [2, 2], [0, 0]])), (4, 5), "must be .channel, height, width."),
        (nir.SumPool2d(np.array([2.5]), np.array([2]), np.array([0])), (1, 4, 5), "kernel_size is .* integers"),
        (nir.Scale(np.ones(3)), (2, 3), r"scale has shape \(3,\); it must be \(2, 3\) or a scalar"),
        (nir.Flatten(None, 2, -1), (2, 3, 4), "flattens axes 2 to -1"),
    ],
)
def test_what_can_be_read_in_two_ways_or_none_is_refused(node, shape, message):
    with pytest.raises(GraphError, match=message):
        linear_map("it", node, shape)
