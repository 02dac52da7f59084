"""What an inference returns is checked, and its errors name it."""

from __future__ import annotations

import pytest
import torch

from nnplug.contracts import InferenceContext
from nnplug.contracts.attributed.inference import AttributedInference
from nnplug.errors import ComponentFailed, InvalidPlugin
from nnplug.registry.attribution import Origin, tagged

IMAGE = torch.zeros(1, 4, 5, 6)
TITLE = "inference 'x' from nnplug-x 1.0"


class Gives:
    """An inference that gives what a test wants."""

    def __init__(self, *results):
        self.results = results

    def passes(self, shape, context):
        return self.results[0]

    def logits(self, network, image, context, report):
        return network(self.results[0])

    def slabs(self, networks, image, channels, context, report):
        yield from self.results


def wrapped(*results):
    made = tagged(Gives(*results), Origin(TITLE, "nnplug-x", __name__))
    device = torch.device("cpu")
    context = InferenceContext((4, 4, 4), 1, (), 2, device, sums_on_device=True, check_size=lambda size: None)
    return AttributedInference(made, made, context)


def logits(result, network=lambda value: value):
    return wrapped(result).logits(network, IMAGE, lambda: None)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            torch.zeros(3, 4, 5, 6),
            r"logits of torch.float32 and shape \(3, 4, 5, 6\); expected torch.float32 \(2, 4",
        ),
        (torch.zeros(2, 4, 5, 5), r"shape \(2, 4, 5, 5\); expected torch.float32 \(2, 4, 5, 6\)"),
        (torch.zeros(2, 4, 5, 6).half(), r"gave logits of torch.float16"),
        ([1], r"gave list instead of torch.Tensor"),
    ],
)
def test_other_logits_than_promised_are_refused_by_name(result, message):
    with pytest.raises(InvalidPlugin, match=message) as error:
        logits(result)
    assert str(error.value).startswith(TITLE)


def test_an_error_names_the_inference_and_its_distribution():
    with pytest.raises(ComponentFailed, match=f"{TITLE} failed: ZeroDivisionError: division by zero"):
        logits(None, lambda value: 1 / 0)
    with pytest.raises(InvalidPlugin, match=f"{TITLE} gave str instead of int. Check distribution nnplug-x"):
        wrapped("many").passes((4, 5, 6))


def test_no_gradients_are_computed():
    weight = torch.ones((), requires_grad=True)
    assert not logits(torch.zeros(2, 4, 5, 6), lambda value: value * weight).requires_grad


def slabs(*results):
    return list(wrapped(*results).slabs([lambda batch: batch], IMAGE, 7, lambda: None))


def test_slabs_have_the_channels_of_the_networks_and_all_rows():
    assert [slab.shape[1] for slab in slabs(torch.zeros(7, 1, 5, 6), torch.zeros(7, 3, 5, 6))] == [1, 3]
    with pytest.raises(InvalidPlugin, match=rf"{TITLE} gave slabs of 3 rows for an image of 4"):
        slabs(torch.zeros(7, 3, 5, 6))
    with pytest.raises(InvalidPlugin, match=rf"{TITLE} gave slabs of 5 rows for an image of 4"):
        slabs(torch.zeros(7, 3, 5, 6), torch.zeros(7, 2, 5, 6))
    with pytest.raises(InvalidPlugin, match=r"expected torch.float32 \(7, 4, 5, 6\)"):
        slabs(torch.zeros(2, 4, 5, 6))
    with pytest.raises(InvalidPlugin, match="gave list instead of torch.Tensor"):
        slabs([1])
