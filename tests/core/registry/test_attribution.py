"""What components raise is told in a line that names who is at fault; what users can mend passes."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest

from nnplug.errors import ComponentFailed, InvalidPlugin, NnplugError, OutOfResources
from nnplug.registry.attribution import Origin, attributed, expect, name_of, tagged
from nnplug.registry.components import Entry, Source
from nnplug.registry.entries import ArchitectureComponent, NormalizerComponent

ENTRY = Entry(NormalizerComponent("log", f"{__name__}:Log", "a log"), Source("x", "nnplug-x", "1.0"))
OTHER = Entry(ArchitectureComponent("net", "fractions:Fraction", "a net"), Source("y", "nnplug-y", "2.0"))


@dataclass(frozen=True)
class Log:
    offset: float = 1.0


def log():
    return tagged(Log(), ENTRY.origin)


def test_a_component_is_told_by_its_entry_and_is_equal_to_one_that_is_not():
    assert name_of(log()) == name_of(ENTRY.origin) == "normalizer 'log' from nnplug-x 1.0"
    assert log() == Log()
    assert name_of(pickle.loads(pickle.dumps(tagged(np.random.default_rng(0), ENTRY.origin)))).endswith("Generator")


def test_a_component_that_goes_to_another_process_keeps_its_name(monkeypatch):
    import sys
    from types import ModuleType

    module = ModuleType("elsewhere")
    module.Log = type("Log", (), {"__module__": "elsewhere"})
    monkeypatch.setitem(sys.modules, "elsewhere", module)
    assert name_of(pickle.loads(pickle.dumps(tagged(module.Log(), ENTRY.origin)))) == str(ENTRY)


def test_one_without_room_for_a_note_is_told_by_its_class():
    assert name_of(tagged(Fraction(1, 2), ENTRY.origin)) == "fractions.Fraction"


def test_an_error_is_a_line_with_name_place_and_remedy():
    with pytest.raises(ComponentFailed) as caught, attributed(log()):
        raise ValueError("mean\nand more")
    message = str(caught.value)
    assert message.startswith(
        "normalizer 'log' from nnplug-x 1.0 failed: ValueError: mean and more (test_attribution.py, "
    )
    assert message.endswith("). Check distribution nnplug-x with nnplug.testing")
    assert isinstance(caught.value.__cause__, ValueError)


def test_leaving_the_program_is_an_error_like_others():
    with pytest.raises(ComponentFailed, match="SystemExit: no licence"), attributed(log()):
        raise SystemExit("no licence")


@pytest.mark.parametrize("error", [NnplugError("mend it"), BrokenPipeError(32, "closed"), KeyboardInterrupt()])
def test_what_users_can_mend_passes_as_it_is(error):
    with pytest.raises(type(error)) as caught, attributed(log()):
        raise error
    assert caught.value is error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "/d/x.npy"),
            "failed: /d/x.npy: No space left on device. Free some space",
        ),
        (
            OSError(30, "Read-only file system", "/d/state.pt"),
            "failed: /d/state.pt: Read-only file system. Choose a place that is not read-only, or make this one",
        ),
        (OSError(5, "Input/output error", "/d/x"), "failed: /d/x: Input/output error. The disk fails: check it"),
        (OSError(122, "Disk quota exceeded", "/d/x"), "failed: /d/x: Disk quota exceeded. Free some of the space"),
        (
            FileNotFoundError(2, "No such file or directory", "atlas.nii"),
            "failed: atlas.nii: No such file or directory",
        ),
        (OSError("odd"), "failed: odd"),
        (TimeoutError(), "failed: TimeoutError"),
        (MemoryError("for 9 GB"), "ran out of memory (for 9 GB); close other programs, or use 1 worker"),
        (MemoryError(), "ran out of memory; close other programs"),
    ],
)
def test_disk_and_memory_are_told_with_the_component_that_needed_them(error, message):
    with pytest.raises(OutOfResources) as caught, attributed(log()):
        raise error
    assert str(caught.value).startswith(f"normalizer 'log' from nnplug-x 1.0 {message}")
    assert caught.value.__cause__ is error


def test_a_device_without_memory_is_no_fault_of_a_component():
    import torch

    with pytest.raises(torch.OutOfMemoryError), attributed(log()):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_of_several_the_one_whose_package_raised_is_at_fault():
    trainer = tagged(Log(), ENTRY.origin)
    with (
        pytest.raises(ComponentFailed, match=r"architecture 'net' .*fractions\.py, line"),
        attributed(trainer, OTHER.origin),
    ):
        Fraction(1, 0)
    with (
        pytest.raises(ComponentFailed, match=r"normalizer 'log' .*test_attribution\.py, line"),
        attributed(OTHER.origin, trainer),
    ):
        raise ValueError("mine")


def test_the_code_of_a_base_class_belongs_to_the_subclass_first():
    """A step that a subclass overrides wrongly is called by the code of its base class."""

    class Halves(Fraction):
        pass

    trainer = Origin("trainer 'halves' from nnplug-x 1.0", "nnplug-x", "elsewhere")
    with (
        pytest.raises(ComponentFailed, match=r"trainer 'halves' from nnplug-x 1.0 failed: .*fractions\.py, line"),
        attributed(tagged(Halves(1), trainer), OTHER.origin),
    ):
        Fraction(1, 0)


def test_where_no_package_matches_it_is_the_first():
    with (
        pytest.raises(ComponentFailed, match=r"architecture 'net' from nnplug-y .*test_attribution\.py"),
        attributed(OTHER.origin),
    ):
        raise ValueError("?")


def test_a_result_of_the_wrong_type_is_told():
    assert expect(log(), 3, int) == 3
    with pytest.raises(
        InvalidPlugin, match=r"normalizer 'log' from nnplug-x 1.0 gave NoneType instead of numpy.ndarray"
    ):
        expect(log(), None, np.ndarray)
