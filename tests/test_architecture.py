"""The house's rules: which room may import which, and what ``import limpide`` loads."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import limpide

SOURCE = Path(limpide.__file__).parent

# Each room, and the other rooms that it may import. What is written is all: nothing is inherited.
# A new room needs a row, and a reason to be.
GROUND = {"errors", "keywords", "memory"}
VALUES = {"errors", "ir", "conversion", "tensor"}
NUMBERS = GROUND | VALUES | {"ops", "rng"}
PARTS = NUMBERS | {"activations", "initializers", "losses", "optimizers", "schedules", "layers"}
REPORTS = {"history", "callbacks", "progress", "stopping"}
MAY_IMPORT: dict[str, set[str]] = {
    # the ground
    "errors": set(),
    "keywords": {"errors"},
    "memory": {"errors"},
    "locks": set(),
    "stopping": {"errors"},
    "threads": {"errors", "limpide"},
    "languages": {"errors"},
    "retelling": {"languages"},
    "wording": {"languages"},
    # the core: ir <- tensor <- ops <- gradient <- tape; engines know graphs alone
    # "limpide" for the picture of a graph, which limpide.explain draws when it is asked for
    "ir": {"errors", "limpide"},
    "conversion": {"errors", "ir"},
    "tensor": {"errors", "ir", "conversion", "keywords", "memory"},
    "rng": {"errors"},
    "ops": VALUES | {"rng", "keywords"},
    "gradient": VALUES | {"ops"},
    "tape": VALUES | {"ops", "gradient", "keywords"},
    # "limpide" for the version, which processes that run together must have in common
    "engines": {"errors", "ir", "limpide", "locks", "memory", "rng", "threads"},
    "tracing": VALUES | {"engines", "keywords", "locks", "memory"},
    "check": VALUES | {"ops", "gradient", "tape", "engines", "keywords"},
    # what networks are made of, written in ops: no engine, no training
    "generator": NUMBERS,
    "initializers": NUMBERS | {"generator"},
    "activations": NUMBERS,
    "losses": NUMBERS | {"activations"},
    "schedules": NUMBERS,
    "optimizers": NUMBERS | {"schedules"},
    "layers": NUMBERS | {"activations", "initializers", "generator"},
    "table_layers": NUMBERS | {"layers"},
    "members": NUMBERS | {"activations", "layers"},
    "scalars": {"errors"},
    # training
    "history": {"errors", "ir", "plots"},
    "callbacks": GROUND | {"ir", "conversion", "history"},
    "progress": {"languages", "wording", "errors", "callbacks", "history"},
    "arrays": NUMBERS | {"losses"},
    "steps": PARTS | {"tape"},
    "row_orders": {"errors", "ir", "rng"},
    "rows": {"errors", "ir"},
    "feeds": {"ir", "row_orders"},
    "stored_rows": {"errors", "feeds", "ir", "memory", "rng"},
    "identity": {"ir", "losses", "optimizers", "rows", "schedules", "steps"} | {"stored_rows"},
    "jointly": {"checkpoints", "engines", "errors", "identity", "ir", "snapshots"},
    "joining": {"conversion", "engines", "errors", "keywords"},
    "snapshots": {"errors", "ir", "callbacks", "history", "storage"},
    # a checkpoint names the version that wrote it
    "checkpoints": GROUND
    | {"languages", "ir", "conversion", "rng", "identity", "snapshots", "storage", "limpide"},
    "replaying": PARTS
    | {"engines", "explain", "feeds", "limpide", "row_orders", "rows", "scalars", "steps"}
    | {"threads"},
    "training": PARTS
    | REPORTS
    | {"checkpoints", "engines", "jointly", "rows", "snapshots", "steps", "tracing"}
    | {"feeds", "replaying", "scalars", "stored_rows"},
    # networks
    "parameters": NUMBERS | {"arrays"},
    "summary": {"languages", "errors", "layers"},
    "structure": PARTS
    | {"languages", "locks", "storage", "generator", "parameters", "scalars", "summary"}
    | {"members"},
    "predicting": PARTS
    | {"arrays", "engines", "exports", "keywords", "limpide", "structure", "tracing"},
    # explanations take graphs, layers and arrays, and never import network
    "explain": PARTS
    | REPORTS
    | {"arrays", "engines", "gradient", "languages", "members", "scalars", "steps", "storage"}
    | {"table_layers", "tape"},
    "drawing": PARTS | {"arrays", "explain", "limpide", "predicting"},
    "examining": PARTS | {"arrays", "drawing", "engines", "explain", "limpide"},
    "explaining": PARTS | {"arrays", "examining", "explain", "limpide", "rows", "steps"},
    "network": PARTS
    | REPORTS
    | {"checkpoints", "engines", "identity", "jointly", "rows", "steps", "threads", "training"}
    | {"arrays", "members", "explaining", "snapshots", "stored_rows"},
    # many networks of the same layers, trained together
    "starting": PARTS | {"engines"},
    "many": PARTS
    | REPORTS
    | {"arrays", "engines", "languages", "locks", "network", "rows", "starting", "threads"}
    | {"training"},
    "neuron": PARTS
    | REPORTS
    | {"arrays", "explain", "generator", "limpide", "network", "parameters", "scalars"},
    # data and files: they take layers and arrays, never a network
    "datasets": {"errors", "rng", "spam"},
    "metrics": {"errors", "keywords", "rng"},
    "spam": {"errors"},
    "storage": {"errors", "ir", "layers", "table_layers", "activations", "initializers", "losses"}
    | {"languages", "members"},
    "tables": GROUND | {"ir", "rng", "storage", "progress"},
    # "ops" and "activations" for the definitions of what it recognises in a graph
    "exports": VALUES | {"activations", "limpide", "ops", "storage", "tables"},
    # models: a network with its table
    "recipe": PARTS | {"members", "network", "table_layers", "tables"},
    "model_facts": {"languages", "retelling", "wording", "errors", "history", "storage", "tables"},
    # looking at models: figures' pictures, what columns do, the report; the model is handed in
    "plots": {"errors", "ir", "keywords", "languages", "metrics", "wording"},
    "effects": {"errors", "ir", "metrics", "plots", "rng", "tables", "languages", "wording"},
    "reporting": {"effects", "ir", "limpide", "metrics", "storage", "tables"}
    | {"languages", "retelling", "wording"},
    "views": {
        "languages",
        "errors",
        "ir",
        "keywords",
        "metrics",
        "model_facts",
        "network",
        "plots",
        "tables",
    }
    | {"effects", "reporting"},
    "table_explaining": PARTS
    | {"explain", "languages", "limpide", "table_layers", "tables", "views", "wording"},
    "model": GROUND
    | {"ir", "history", "engines", "metrics", "network", "parameters", "storage", "tables"}
    | {"arrays", "checkpoints", "languages", "limpide", "model_facts", "table_explaining"},
    "learning": PARTS
    | REPORTS
    | {"checkpoints", "engines", "model", "model_facts", "network", "recipe", "tables"},
    "sharing": {"engines", "errors", "identity", "ir", "jointly", "stored_rows", "tables"},
    "large_tables": PARTS
    | REPORTS
    | {"arrays", "engines", "identity", "learning", "model", "recipe", "sharing", "stored_rows"}
    | {"tables"},
    "table_training": GROUND
    | {"ir", "arrays", "checkpoints", "large_tables", "learning", "model", "recipe", "tables"}
    | {"engines", "threads"},
    # estimators: scikit-learn's classes around a model, and the only importer of scikit-learn
    "estimator_html": {"history", "languages", "model", "retelling", "wording"},
    "estimator_metrics": {"errors", "ir", "callbacks", "metrics", "model"},
    "estimating": GROUND
    | REPORTS
    | {"ir", "arrays", "checkpoints", "learning", "model", "network", "recipe", "tables"}
    | {"estimator_metrics"}
    | {"layers", "losses"},
    "estimators": GROUND
    | {"ir", "rng", "tables", "estimating", "estimator_html", "estimator_metrics"},
    # experiments: small networks trained to show one thing, told in words and drawn
    "experiments": PARTS
    | {"arrays", "callbacks", "datasets", "engines", "history", "languages", "network", "reporting"}
    | {"starting", "tape", "tracing"},
    # measuring: the whole library from outside, its peers, and the engine's writer for the peak
    "bench": {"errors", "ir", "engines", "layers", "losses", "optimizers", "steps", "network"}
    | {"reports", "limpide"},
    # the command line takes the public names, so that each command loads what it needs
    "reports": {"languages", "errors", "wording"},
    "program": {"retelling", "errors", "languages", "limpide", "stopping"},
    "terminal": {"languages", "errors", "program", "reports"} | REPORTS,
    "sources": {"retelling", "errors", "limpide", "program"},
    "outputs": {"errors", "limpide", "program"},
    "commands": {"errors", "languages", "limpide", "outputs", "program", "sources"},
    # processes of a command on this machine, and how each of them begins
    "launching": {"stopping"},
    "worker": {"cli", "commands"},
    "cli": {"commands", "limpide", "program"},
    "__main__": {"cli"},
}
# Where a heavier library or an engine is looked up, a function may import a room.
MAY_IMPORT_LATE = {"engines/__init__.py", "__init__.py", "history.py"}


def room_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def module_of(path: Path) -> str:
    parts = ["limpide", *path.relative_to(SOURCE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST, module: str) -> list[str]:
    """Give the rooms of limpide that one import statement names."""
    if isinstance(node, ast.Import):
        found = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            above = module.split(".")[: -node.level]
            base = ".".join([*above, base]).rstrip(".")
        found = [f"{base}.{alias.name}" if base == "limpide" else base for alias in node.names]
    else:
        return []
    parts = [name.split(".") for name in found]
    return [p[1] if len(p) > 1 else "limpide" for p in parts if p[0] == "limpide"]


def statements(path: Path) -> list[tuple[ast.AST, bool]]:
    """Give every statement of a file, and whether it stands inside of a function."""
    found: list[tuple[ast.AST, bool]] = []

    def walk(node: ast.AST, late: bool) -> None:
        for child in ast.iter_child_nodes(node):
            found.append((child, late))
            inside = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            walk(child, late or inside)

    walk(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")
IDS = [str(path.relative_to(SOURCE)) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_room_imports_what_it_may(path: Path) -> None:
    room = room_of(path)
    assert room in MAY_IMPORT, (
        f"{room} is a new room: add a row to MAY_IMPORT in tests/test_architecture.py, with the "
        "rooms that it may import, and to the page docs/architecture.md."
    )
    for node, _ in statements(path):
        for other in imported(node, module_of(path)):
            assert other == room or other in MAY_IMPORT[room], f"{room} may not import {other}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_of_limpide_is_imported_late(path: Path) -> None:
    if str(path.relative_to(SOURCE)) in MAY_IMPORT_LATE:
        return
    late = [node for node, inside in statements(path) if inside]
    assert not [other for node in late for other in imported(node, module_of(path))]


def test_no_room_imports_in_a_circle() -> None:
    # The empty room "limpide" is the table of public names, which loads nothing by itself.
    edges: dict[str, set[str]] = {}
    for path in FILES:
        rooms = {o for node, _ in statements(path) for o in imported(node, module_of(path))}
        edges.setdefault(room_of(path), set()).update(rooms - {room_of(path), "limpide"})
    done: set[str] = set()
    while len(done) < len(edges):
        ready = {room for room, others in edges.items() if others <= done} - done
        assert ready, f"these rooms import each other: {sorted(set(edges) - done)}"
        done |= ready


def test_importing_limpide_loads_numpy_and_nothing_heavier() -> None:
    code = (
        "import sys, numpy; before = set(sys.modules); import limpide;"
        "print(*{m.partition('.')[0] for m in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names == {"limpide"}


def test_the_core_loads_nothing_but_numpy() -> None:
    heavy = "polars rich click safetensors narwhals scipy pandas torch jax sklearn matplotlib"
    code = (
        "import sys; import limpide as lp; f = lp.function(lambda x: x @ x); f([[1.0]]);"
        "lp.gradcheck(lambda x: x * x, 1.0);"
        f"print(*set(sys.modules) & set({heavy.split()}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_model_loads_neither_a_terminal_nor_plots() -> None:
    code = "import sys, limpide.model; print(*{'rich', 'matplotlib', 'click'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_every_public_name_exists_once() -> None:
    assert len(limpide.__all__) == len(set(limpide.__all__))
    assert set(limpide.__all__) <= set(dir(limpide))
    for room, names in limpide._ROOMS.items():
        module = importlib.import_module(f"limpide.{room}")
        for name in names:
            assert getattr(limpide, name) is getattr(module, name)
    with pytest.raises(AttributeError, match="module 'limpide' has no attribute 'nothing'"):
        limpide.nothing  # noqa: B018


@pytest.mark.parametrize("path", [p for p in FILES if p.stem != "__main__"], ids=lambda p: p.stem)
def test_a_module_says_what_it_is_not_for(path: Path) -> None:
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    assert "Not for" in text, f"{path.name}: the docstring says what the module is not for"


def test_the_page_on_the_house_names_every_room() -> None:
    page = (SOURCE.parents[1] / "docs" / "architecture.md").read_text()
    rooms = [p.name for p in SOURCE.iterdir() if p.suffix == ".py" and p.name != "__main__.py"]
    rooms += [f"{p.name}/" for p in SOURCE.iterdir() if (p / "__init__.py").exists()]
    rooms += [p.name for p in (SOURCE / "ops").glob("*.py")]
    assert [room for room in rooms if room not in page] == []
