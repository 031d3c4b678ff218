"""Checks for the Documents of any loader or parser."""

import json
import math
from collections.abc import Iterable, Sequence

from langchain_core.documents import Document

Scalar = (str, int, float, bool)


def check_metadata(documents: Sequence[Document]) -> None:
    """Check that metadata has scalar JSON values only, which every vector store accepts."""
    for document in documents:
        for name, value in document.metadata.items():
            assert isinstance(name, str)
            assert isinstance(value, Scalar), f"{name} is {type(value).__name__}"
            assert not isinstance(value, float) or math.isfinite(value), name
        json.dumps(document.metadata, allow_nan=False)


def get_texts(documents: Iterable[Document]) -> list[str]:
    return [document.page_content for document in documents]
