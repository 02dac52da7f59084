"""The documentation says what the code says: hooks, signatures, examples that run, commands and their options."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest
import yaml

from nnplug import contracts
from nnplug.dataset.phantom import write_phantom
from nnplug.registry.components import Kind
from nnplug.registry.loader import HOOKS
from nnplug_cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*map(str, Kind), "recipes", "commands"]
BEFORE = {"planner": ["extractor"]}  # the planner's example goes on with the fingerprint of the extractor's


def page(name):
    return (DOCS / "hooks" / f"{name}.md").read_text()


def signatures(protocol):
    """Every attribute and method of a Protocol as its source has it, without its body."""
    (found,) = ast.parse(inspect.getsource(getattr(contracts, protocol))).body
    body = found.body
    yield from (ast.unparse(node) for node in body if isinstance(node, ast.AnnAssign))
    for method in (node for node in body if isinstance(node, ast.FunctionDef)):
        decorators = [f"@{ast.unparse(decorator)}" for decorator in method.decorator_list]
        method.decorator_list, method.body = [], [ast.Expr(ast.Constant(...))]
        yield "\n".join([*decorators, ast.unparse(method).replace(":\n    ...", ": ...")])


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("protocol", [*(str(kind).capitalize() for kind in Kind), "Augmentation", "BatchAugmentation"])
def test_every_method_has_its_exact_signature_on_the_page_of_its_kind(protocol):
    text = page("augmenter" if protocol.endswith("Augmentation") else protocol.lower())
    wanted = list(signatures(protocol))
    assert wanted
    assert [signature for signature in wanted if signature not in text] == []


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_named_on_a_page_and_no_page_is_left_over(hook):
    assert any(f"def {hook}() -> Iterable[" in page(name) for name in PAGES)
    assert {path.stem for path in (DOCS / "hooks").glob("*.md")} == set(PAGES)


@pytest.fixture
def names(tmp_path_factory):
    """The names of one page's example, in a module as a data class needs one: first of all `dataset`."""
    module = types.ModuleType("examples_of_the_documentation")
    folder = tmp_path_factory.mktemp("docs") / "Dataset900_Docs"
    module.dataset = write_phantom(folder, cases=2, unseen=0, shape=(24, 28, 24))
    sys.modules[module.__name__] = module
    yield module.__dict__
    del sys.modules[module.__name__]


@pytest.mark.parametrize("name", PAGES)
def test_the_example_of_every_page_runs(name, names):
    for run in (*BEFORE.get(name, ()), name):
        (example,) = blocks(page(run), "python")
        assert "\nassert " in example
        exec(compile(example, f"docs/hooks/{run}.md", "exec"), names)


def test_the_example_of_prediction_runs(documented_dataset, documented_model):
    (example,) = blocks((DOCS / "predict.md").read_text(), "python")
    assert example.count("\nassert ") == 4
    names = {"__name__": "example", "dataset": documented_dataset, "bundle": documented_model}
    exec(compile(example, "docs/predict.md", "exec"), names)


@pytest.mark.parametrize("name", ["steps:PatchSteps", "callbacks:Callback"])
def test_every_step_and_callback_has_its_exact_signature_on_the_page_of_training(name):
    module, _, name = name.partition(":")
    found = getattr(importlib.import_module(f"nnplug_nnunet.training.{module}"), name)
    text = (DOCS / "train-your-way.md").read_text()
    methods = [one for one in ast.parse(inspect.getsource(found)).body[0].body if isinstance(one, ast.FunctionDef)]
    wanted = [f"def {one.name}({ast.unparse(one.args)}) -> {ast.unparse(one.returns)}: ..." for one in methods]
    assert len(wanted) >= 8
    assert [signature for signature in wanted if signature not in text] == []


def test_the_example_of_training_runs(names):
    (example,) = blocks((DOCS / "train-your-way.md").read_text(), "python")
    assert example.count("\nassert ") == 2
    exec(compile(example, "docs/train-your-way.md", "exec"), names)


def test_the_example_of_several_outputs_runs(names):
    (example,) = blocks((DOCS / "several-outputs.md").read_text(), "python")
    assert example.count("\nassert ") == 2
    exec(compile(example, "docs/several-outputs.md", "exec"), names)


def test_what_is_said_to_be_stable_exists():
    import nnplug

    text = (DOCS / "stability.md").read_text()
    named = set(re.findall(r"`(nnplug\.\w+)`", text)) - {"nnplug.__all__"}
    assert {"nnplug.hookspecs", "nnplug.contracts", "nnplug.errors", "nnplug.testing"} <= named
    for module in named:
        assert inspect.getdoc(importlib.import_module(module))
    assert all(getattr(nnplug, name) is not None for name in nnplug.__all__)


def script(name):
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sections(text):
    """Title and text of each command; words only, since libraries wrap lines as they like."""
    parts = re.split(r"^## `(.*)`$", text, flags=re.MULTILINE)[1:]
    return {title: body.split() for title, body in zip(parts[::2], parts[1::2], strict=True)}


def test_every_command_is_described_with_all_its_options():
    made = subprocess.run(  # click keeps the help option of the first call, which may have been a test's
        [sys.executable, DOCS / "make_cli.py"], capture_output=True, text=True, check=True
    ).stdout
    written, now = sections((DOCS / "cli.md").read_text()), sections(made)
    assert {f"nnplug {name}" for name in COMMANDS} <= set(now)
    stale = [title for title in now.keys() | written.keys() if now.get(title) != written.get(title)]
    assert not stale, f"{sorted(stale)} changed; run: python docs/make_cli.py > docs/cli.md"


def test_attributes_are_those_of_the_classes():
    written, now = (DOCS / "attributes.md").read_text(), script("make_attributes").page()
    for name in ("TrainingTask", "Dataset", "CaseFiles", "CaseStore", "Fingerprint", "Plans"):
        assert f"## `{name}`\n" in now
    assert written == now, "a class changed; run: python docs/make_attributes.py > docs/attributes.md"


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: str(path.relative_to(DOCS)))
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_page_is_in_the_navigation_once():
    """`make docs` says so too; here it is said before a change lands."""
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    named = re.findall(r"[\w/-]+\.(?:md|ipynb)", str(settings["nav"]))
    lying = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} | set(settings["extra"]["outside"])
    assert set(named) >= lying, f"{sorted(lying - set(named))}: give them a line under `nav` in mkdocs.yml"
    assert len(named) == len(set(named))


PARITY = (DOCS / "nnunet-parity.md").read_text()
CLAIMS = [line for line in PARITY.splitlines() if line.startswith("| ")][1:] + PARITY.split("\n- ")[1:]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.split("|")[1].strip() if "|" in claim else claim[:40])
def test_every_claim_of_parity_names_tests_that_exist(claim):
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", claim)
    assert named
    assert claim.count("tests/") == len(named)
    for file, name in named:
        assert f"\ndef {name}(" in (ROOT / file).read_text(), f"{file}::{name} is named in docs/nnunet-parity.md"
