"""The API's description as a page for people: made from its OpenAPI, without any script."""

from collections.abc import Iterator, Mapping
from html import escape

__all__ = ["docs_page"]

Schema = Mapping[str, object]


def docs_page(openapi: Schema) -> str:
    """HTML that lists each path, its parameters and its answer's shape."""
    title = f"{escape(_text(_map(openapi, 'info'), 'title'))} API"
    paths = "".join(
        _operation(path, method, _map(methods, method))
        for path, methods in _items(_map(openapi, "paths"))
        for method in methods
    )
    schemas = "".join(
        f'<section id="{escape(name)}"><h3>{escape(name)}</h3>'
        f"<p>{escape(_text(schema, 'description'))}</p>{_properties(schema)}</section>"
        for name, schema in _items(_map(_map(openapi, "components"), "schemas"))
    )
    return (
        '<!doctype html><html lang="en" data-theme="auto"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="/assets/css/tokens.css">'
        '<link rel="stylesheet" href="/assets/css/docs.css">'
        f"<title>{title}</title><body><main><h1>{title}</h1>"
        '<p>For programs: <a href="/openapi.json">/openapi.json</a>.</p>'
        f"{paths}<h2>Shapes</h2>{schemas}</main></body></html>"
    )


def _operation(path: str, method: str, operation: Schema) -> str:
    parameters = operation.get("parameters", [])
    rows = "".join(
        f"<tr><td><code>{escape(_text(parameter, 'name'))}</code></td>"
        f"<td>{_type(_map(parameter, 'schema'))}</td>"
        f"<td>{escape(_text(parameter, 'description'))}</td></tr>"
        for parameter in (parameters if isinstance(parameters, list) else [])
    )
    table = _table(("parameter", "type", "meaning"), rows) if rows else ""
    content = _map(_map(_map(operation, "responses"), "200"), "content")
    shapes = " or ".join(
        _type(_map(body, "schema")) or escape(media) for media, body in _items(content)
    )
    return (
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(_text(operation, 'summary'))}. Answer: {shapes}</p>{table}</section>"
    )


def _properties(schema: Schema) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{_type(of)}</td></tr>"
        for name, of in _items(_map(schema, "properties"))
    )
    return _table(("field", "type"), rows) if rows else ""


def _table(headings: tuple[str, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = escape(_text(schema, "$ref").rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in _list(values))
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in _list(schema["anyOf"]) if isinstance(one, dict))
    if "items" in schema:
        return f"list of {_type(_map(schema, 'items'))}"
    return escape(_text(schema, "type"))


def _map(schema: Schema, key: str) -> Schema:
    value = schema.get(key)
    return value if isinstance(value, dict) else {}


def _items(schema: Schema) -> Iterator[tuple[str, Schema]]:
    for key, value in schema.items():
        if isinstance(value, dict):
            yield key, value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(schema: object, key: str) -> str:
    return str(schema.get(key, "")) if isinstance(schema, dict) else ""
