"""The exchange's documents, read so that a test can ask which operation a request is and what is wrong with an answer.

Without the reference material, or without a validator for it, whoever asks is skipped.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.shell.paper_desk import Answer, Json

HISTORICAL = ("/historical/cutoff", "/historical/orders", "/historical/fills")


class Document:
    """openapi-execution-3.31-derived.yaml, with openapi-3.25.0.yaml for what it leaves out."""

    def __init__(self, folder: Path) -> None:
        yaml = pytest.importorskip("yaml")
        self._schemas = pytest.importorskip("openapi_schema_validator")
        self._referencing = pytest.importorskip("referencing")
        self._specification = pytest.importorskip("referencing.jsonschema").DRAFT4
        names = ("openapi-execution-3.31-derived.yaml", "openapi-3.25.0.yaml")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        documents = [yaml.load((folder / "kalshi" / name).read_bytes(), Loader=loader) for name in names]
        self._raw = documents
        documents = [_or_null(document) for document in documents]
        more = {path: documents[1]["paths"][path] for path in ("/series", "/events", *HISTORICAL)}
        self._paths = [(0, documents[0]["paths"]), (1, more)]
        self._registry = self._referencing.Registry().with_resources(
            (f"urn:{number}", self._specification.create_resource(document))
            for number, document in enumerate(documents)
        )

    def raw(self) -> list[Json]:
        """Return the documents as they are, each with the paths that count."""
        return [
            {**self._raw[number], "paths": {path: self._raw[number]["paths"][path] for path in paths}}
            for number, paths in self._paths
        ]

    def operations(self) -> dict[str, tuple[str, str, set[int]]]:
        """Return method, path and documented statuses by operation."""
        return {
            operation["operationId"]: (method.upper(), path, {int(status) for status in operation["responses"]})
            for _, paths in self._paths
            for path, methods in paths.items()
            for method, operation in methods.items()
        }

    def operation(self, method: str, path: str) -> str:
        """Return which operation a request is, or nothing; a path without variables counts first."""
        parts = path.partition("?")[0].split("/")
        found = [
            (template.count("{"), name)
            for name, (of, template, _) in self.operations().items()
            if of == method and len(template.split("/")) == len(parts)
            if all(a == b or a.startswith("{") for a, b in zip(template.split("/"), parts, strict=True))
        ]
        return min(found)[1] if found else ""

    def faults(self, method: str, path: str, answer: Answer) -> list[str]:
        """Return what is wrong with a successful answer."""
        name = self.operation(method, path)
        number, template = next(
            (number, template)
            for number, paths in self._paths
            for template, methods in paths.items()
            if methods.get(method.lower(), {}).get("operationId") == name
        )
        listed = dict(self._paths)[number][template][method.lower()]["responses"]
        content = listed.get(str(answer.status), {}).get("content")
        if str(answer.status) not in listed:
            return [f"{name} does not answer {answer.status}"]
        if content is None:
            return [f"{name} has a body"] if answer.body else []
        schema = {"$ref": f"urn:{number}" + content["application/json"]["schema"]["$ref"]}
        checker = self._schemas.oas30_format_checker
        validator = self._schemas.OAS30Validator(schema, registry=self._registry, format_checker=checker)
        return [f"{name}: {error.json_path} {error.message}" for error in validator.iter_errors(answer.json())]


def reshaped(node: object, change: Callable[[Json], Json]) -> object:
    """Return a document with every table in it changed, from the innermost out."""
    match node:
        case list():
            return [reshaped(one, change) for one in node]
        case dict():
            return change({name: reshaped(value, change) for name, value in node.items()})
        case _:
            return node


def _or_null(document: Json) -> Json:
    """Allow null in a whole document."""
    found = reshaped(document, _all_of_or_null)
    assert isinstance(found, dict)
    return found


def _all_of_or_null(table: Json) -> Json:
    """Allow null where a table says `nullable` beside an `allOf`, which alone does not allow it."""
    if not (table.get("nullable") and "allOf" in table):
        return table
    return {"anyOf": [*table["allOf"], {"enum": [None], "nullable": True}]}


class Tally:
    """What was answered: operations with their statuses, and codes of errors."""

    def __init__(self, document: Document) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()
        self.codes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._document = document

    def note(self, method: str, path: str, answer: Answer) -> None:
        operation = self._document.operation(method, path)
        if operation:
            self.answers[operation, answer.status] += 1
        if answer.status < 300:
            self.wrong += self._document.faults(method, path, answer)
            nested = answer.json().get("orders", []) if answer.body else []
            self.codes.update(one["error"]["code"] for one in nested if "error" in one)
        elif answer.status < 500:
            self.codes[code_of(answer.json())] += 1


def code_of(body: Json) -> str:
    """Return the code of any of the four shapes of error."""
    if "msg" in body:
        return str(body["msg"]).partition(" for ")[0]
    error = body.get("error", body)
    return str(error["code"] if isinstance(error, dict) else error)
