"""One file per client. Importing one registers its cases."""

import importlib
import pathlib

# boto3 first: it is the referee of all others.
FIRST = ("with_boto3", "with_aws_cli")


def load():
    found = sorted(path.stem for path in pathlib.Path(__file__).parent.glob("with_*.py"))
    for name in sorted(found, key=lambda name: (name not in FIRST, name != FIRST[0], name)):
        importlib.import_module(f"cases.{name}")
