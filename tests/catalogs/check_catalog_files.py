"""Check catalog.schema.json on the samples, and a `catalog check` command on them.

    python check_catalog_files.py [--command "thermocline catalog check"]

Proves: samples/valid pass the schema, samples/invalid do not. With --command, which gets one file as its last argument:
exit 0 for valid ones; for invalid and refused ones (mistakes beyond a schema: the same id twice, a path that leaves the
root, a tag) another exit code, the file's name and a line number in the output. Needs the environment `catalogs`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

from _check import Report, expect

HERE = Path(__file__).parent


class Yaml12(yaml.SafeLoader):
    """The core schema of YAML 1.2: only true and false are booleans, dates are text."""


Yaml12.yaml_implicit_resolvers = {c: [(t, r) for t, r in v if not t.endswith((":bool", ":timestamp"))] for c, v in yaml.SafeLoader.yaml_implicit_resolvers.items()}
Yaml12.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def read(file: Path) -> Any:
    return tomllib.loads(file.read_text()) if file.suffix == ".toml" else yaml.load(file.read_text(), Loader=Yaml12)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", help="how the server checks one catalog file")
    args = parser.parse_args()
    schema = json.loads((HERE.parents[1] / "catalogs" / "catalog.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator, report = Draft202012Validator(schema), Report("check_catalog_files", None, True)
    for file in sorted((HERE / "samples").glob("*/*")):
        kind = file.parent.name

        def by_schema(file: Path = file, kind: str = kind) -> None:
            errors = [f"{'/'.join(map(str, e.path))}: {e.message}" for e in validator.iter_errors(read(file))]
            expect(bool(errors) == (kind == "invalid"), errors[0] if errors else "the schema accepts it")

        def by_command(file: Path = file, kind: str = kind) -> None:
            done = subprocess.run([*shlex.split(args.command), str(file)], capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            expect((done.returncode == 0) == (kind == "valid"), f"exit code {done.returncode}: {said[:200]}")
            if kind != "valid":
                expect(file.name in said and re.search(r":\d+|line \d+", said), f"no file and line in: {said[:200]}")
        if kind != "refused":
            report.case("schema", f"{kind}/{file.name}", by_schema)
        if args.command:
            report.case("command", f"{kind}/{file.name}", by_command)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
