"""One file per workload. Importing one registers its cases."""

import importlib
import pathlib


def load():
    for path in sorted(pathlib.Path(__file__).parent.glob("with_*.py")):
        importlib.import_module(f"cases.{path.stem}")
