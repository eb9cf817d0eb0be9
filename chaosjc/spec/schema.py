"""JSON Schema of a model, so that editors complete and check its files."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaSerializer, core_schema

from chaosjc.spec.expect import Expect

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text(model: type[BaseModel], *, variables: bool = False) -> str:
    """The schema as text to commit: the same for the same model. With `variables`, `$name` may stand for a number."""
    generator = _WithVariables if variables else _FileSchema
    schema = {"$schema": _DIALECT} | model.model_json_schema(schema_generator=generator)
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


class _FileSchema(GenerateJsonSchema):
    """Defaults as a file would spell them: `15s`, not 15.0."""

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        default = super().get_default_value(schema)
        if not isinstance(default, float | Expect):
            return default
        return SchemaSerializer(schema["schema"]).to_python(default, mode="json")


class _WithVariables(_FileSchema):
    """Where a file may say a number or a boolean, it may also say `$name`."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return _or_variable(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return _or_variable(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return _or_variable(super().bool_schema(schema))


def _or_variable(schema: dict[str, Any]) -> JsonSchemaValue:
    return {"anyOf": [schema, {"type": "string", "pattern": r"^\$"}]}
