"""The Open Data Contract Standard v3.2.0, as far as a flat table needs it: strict structs, unknown keys are errors.

Source: https://bitol-io.github.io/open-data-contract-standard/v3.2.0 and its JSON schema. Parts that only describe
(team, support, price, …) are kept as they stand (``Any``); parts that are enforced are typed.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

LogicalType = Literal["string", "integer", "number", "boolean", "date", "timestamp", "time"]
Metric = Literal["nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount"]
Bound = int | float | str


class CustomProperty(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The standard's way to say what it has no word for: here ``knownAt``, ``recorded`` and ``tolerance``."""

    property: str
    value: Any
    id: str | None = None
    description: str | None = None
    vendor: str | None = None


class EnumValue(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One allowed value of a column."""

    value: bool | int | float | str
    id: str | None = None
    label: str | None = None
    description: str | None = None
    tags: Any = None
    authoritative_definitions: Any = None
    custom_properties: tuple[CustomProperty, ...] = ()


class TypeOptions(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits of a column's values. ``format`` is descriptive; the rest is enforced."""

    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    minimum: Bound | None = None
    maximum: Bound | None = None
    exclusive_minimum: Bound | None = None
    exclusive_maximum: Bound | None = None
    multiple_of: int | float | None = None
    format: str | None = None
    timezone: bool | None = None
    default_timezone: str | None = None


class Arguments(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a library metric is computed over."""

    valid_values: tuple[bool | int | float | str, ...] = ()
    missing_values: tuple[bool | int | float | str | None, ...] = ()
    pattern: str | None = None
    properties: tuple[str, ...] = ()


class Quality(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A quality rule: a library metric with exactly one operator, or a condition of our own engine."""

    type: Literal["text", "library", "sql", "custom"] = "library"
    metric: Metric | None = None
    arguments: Arguments | None = None
    must_be: int | float | None = None
    must_not_be: int | float | None = None
    must_be_greater_than: int | float | None = None
    must_be_greater_or_equal_to: int | float | None = None
    must_be_less_than: int | float | None = None
    must_be_less_or_equal_to: int | float | None = None
    must_be_between: tuple[int | float, int | float] | None = None
    must_not_be_between: tuple[int | float, int | float] | None = None
    unit: Literal["rows", "percent"] | None = None
    engine: str | None = None
    implementation: Any = None
    query: str | None = None
    id: str | None = None
    name: str | None = None
    description: str | None = None
    dimension: str | None = None
    method: str | None = None
    severity: str | None = None
    business_impact: str | None = None
    schedule: str | None = None
    scheduler: str | None = None
    tags: Any = None
    authoritative_definitions: Any = None
    custom_properties: tuple[CustomProperty, ...] = ()


class Relationship(
    msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from", "custom_properties": "customProperties"}
):
    """A foreign key. ``from`` is left out at a property, where it is the property itself."""

    to: str | tuple[str, ...]
    from_: str | tuple[str, ...] | None = None
    type: Literal["foreignKey"] = "foreignKey"
    id: str | None = None
    custom_properties: tuple[CustomProperty, ...] = ()


class Property(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One column."""

    name: str
    logical_type: LogicalType
    required: bool = False
    unique: bool = False
    primary_key: bool = False
    primary_key_position: int = -1
    logical_type_options: TypeOptions = TypeOptions()
    enum: tuple[EnumValue, ...] = ()
    quality: tuple[Quality, ...] = ()
    relationships: tuple[Relationship, ...] = ()
    custom_properties: tuple[CustomProperty, ...] = ()
    id: str | None = None
    physical_type: str | None = None
    physical_name: str | None = None
    business_name: str | None = None
    description: str | None = None
    semantic_type: Literal["column", "measure", "dimension"] = "column"
    deprecated: bool = False
    partitioned: bool = False
    partition_key_position: int = -1
    classification: str | None = None
    encrypted_name: str | None = None
    transform_source_objects: Any = None
    transform_logic: str | None = None
    transform_description: str | None = None
    examples: Any = None
    critical_data_element: bool = False
    synonyms: Any = None
    tags: Any = None
    context: Any = None
    authoritative_definitions: Any = None


class Table(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One schema object: here always a flat table."""

    name: str
    properties: tuple[Property, ...]
    relationships: tuple[Relationship, ...] = ()
    quality: tuple[Quality, ...] = ()
    custom_properties: tuple[CustomProperty, ...] = ()
    id: str | None = None
    logical_type: Literal["object"] = "object"
    physical_type: str | None = None
    physical_name: str | None = None
    business_name: str | None = None
    description: str | None = None
    data_granularity_description: str | None = None
    deprecated: bool = False
    synonyms: Any = None
    tags: Any = None
    context: Any = None
    authoritative_definitions: Any = None


class ServiceLevel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One promise of service; ``latency`` (also called ``freshness``) with an element is enforced."""

    property: str
    value: Any
    value_ext: Any = None
    unit: str | None = None
    element: str | None = None
    id: str | None = None
    driver: str | None = None
    description: str | None = None
    schedule: str | None = None
    scheduler: str | None = None
    custom_properties: tuple[CustomProperty, ...] = ()
    authoritative_definitions: Any = None


class Document(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "api_version": "apiVersion",
        "tables": "schema",
        "sla_properties": "slaProperties",
        "custom_properties": "customProperties",
        "data_product": "dataProduct",
        "authoritative_definitions": "authoritativeDefinitions",
        "contract_created": "contractCreatedTs",
    },
):
    """A contract file."""

    api_version: Literal["v3.2.0"]
    kind: Literal["DataContract"]
    id: str
    version: str
    tables: tuple[Table, ...]
    sla_properties: tuple[ServiceLevel, ...] = ()
    custom_properties: tuple[CustomProperty, ...] = ()
    name: str | None = None
    status: str | None = None
    tenant: str | None = None
    domain: str | None = None
    description: Any = None
    data_product: str | None = None
    tags: Any = None
    servers: Any = None
    support: Any = None
    price: Any = None
    team: Any = None
    roles: Any = None
    context: Any = None
    contract_created: str | None = None
    authoritative_definitions: Any = None
