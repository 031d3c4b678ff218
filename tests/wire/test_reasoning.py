"""The table of fields and blocks that carry reasoning."""

from orq_router_integrations.wire.reasoning import (
    REASONING_FIELDS,
    SIGNATURE_KWARGS,
    THOUGHT_SIGNATURES_KWARG,
)


def test_field_names_are_unique() -> None:
    names = [field.name for field in REASONING_FIELDS]
    assert len(set(names)) == len(names)


def test_fields_that_share_a_kwarg_agree() -> None:
    """They are interchangeable spellings of one value."""
    by_kwarg = {field.kwarg: field[2:] for field in REASONING_FIELDS}
    assert all(field[2:] == by_kwarg[field.kwarg] for field in REASONING_FIELDS)


def test_signature_kwargs() -> None:
    assert {
        "reasoning_signature",
        "redacted_reasoning",
        "reasoning_items",
        THOUGHT_SIGNATURES_KWARG,
        "item_ids",
        "output_items",
    } == SIGNATURE_KWARGS
