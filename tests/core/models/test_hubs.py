"""Models are paths, or references to hubs, whose mistakes name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnplug.errors import ComponentFailed, InvalidPlugin, NnplugError, UnknownComponent
from nnplug.models.hubs import local_model, local_models
from nnplug.registry.loader import Plugins

PLUGIN = """
    from pathlib import Path
    from nnplug.errors import NnplugError

    class Lab:
        def fetch(self, reference):
            if reference == "none":
                raise NnplugError("lab:none: no such model")
            return Path(reference)

    class Text:
        def fetch(self, reference):
            return reference

    class Raises:
        def fetch(self, reference):
            raise KeyError(reference)

    @hookimpl
    def nnplug_hubs():
        yield HubComponent("lab", "fake_nnplug_lab:Lab", "")
        yield HubComponent("lab-text", "fake_nnplug_lab:Text", "")
        yield HubComponent("lab-raises", "fake_nnplug_lab:Raises", "")
"""


@pytest.fixture
def registry(install):
    install("nnplug-lab", "lab", PLUGIN)
    return Plugins().registry


def test_a_reference_is_fetched_and_a_path_stays(registry, tmp_path, monkeypatch):
    (tmp_path / "bundle.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    Path("lab:here").mkdir()
    models = (Path(f"lab:{tmp_path}"), Path("runs/fold_0"), Path("lab:here"), Path("C:/models"))
    assert local_models(models, registry) == (
        *(tmp_path, tmp_path / "runs" / "fold_0", tmp_path / "lab:here", tmp_path / "C:/models"),
    )


def test_what_users_and_hubs_do_wrong_is_one_line(registry, tmp_path):
    with pytest.raises(NnplugError, match="^lab:none: no such model$"):
        local_model(Path("lab:none"), registry)
    with pytest.raises(UnknownComponent, match="lap:x: no hub is called 'lap'; there are .*lab, lab-raises"):
        local_model(Path("lap:x"), registry)
    with pytest.raises(InvalidPlugin, match=f"hub 'lab' from nnplug-lab 1.0 gave {tmp_path} for .* no bundle.json"):
        local_model(Path(f"lab:{tmp_path}"), registry)
    with pytest.raises(InvalidPlugin, match="hub 'lab-text' from nnplug-lab 1.0 gave str instead of pathlib"):
        local_model(Path("lab-text:x"), registry)
    with pytest.raises(ComponentFailed, match="hub 'lab-raises' from nnplug-lab 1.0 failed: KeyError: 'x'"):
        local_model(Path("lab-raises:x"), registry)
