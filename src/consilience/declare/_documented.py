"""Models whose fields are documented by the string literals under them, read when somebody asks."""

from __future__ import annotations

import ast
import inspect
import textwrap
from functools import cache
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema

__all__ = ["Documented"]


class Documented(BaseModel):
    """Knows its fields' docstrings: its JSON Schema has them as descriptions.

    pydantic's `use_attribute_docstrings` parses the source of every class as it is made, which would take a third of
    the time of a check; here they are read when they are asked for.
    """

    @classmethod
    def descriptions(cls) -> dict[str, str]:
        """Gives what each field says of itself, by the field's name; a field without a docstring is left out."""
        found: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            if issubclass(base, BaseModel) and base not in (BaseModel, Documented):
                found |= _literals_under(base)
        own = {name: info.description for name, info in cls.model_fields.items() if info.description}
        return {name: text for name, text in (found | own).items() if name in cls.model_fields}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = handler(schema)
        properties = handler.resolve_ref_schema(written).get("properties", {})
        for name, text in cls.descriptions().items():
            key = cls.model_fields[name].alias or name
            if key in properties:
                properties[key].setdefault("description", text)
        return written


@cache
def _literals_under(model: type[BaseModel]) -> dict[str, str]:
    try:
        [definition] = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    except (OSError, TypeError, SyntaxError, ValueError):  # made where no source can be read
        return {}
    found = {}
    for field, under in pairwise(definition.body if isinstance(definition, ast.ClassDef) else []):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
