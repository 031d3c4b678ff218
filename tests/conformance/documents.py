"""What Documents of any loader or parser must be, wherever they go next."""

import json
import math
from collections.abc import Sequence

from langchain_core.documents import Document

Scalar = (str, int, float, bool)


def check_metadata(documents: Sequence[Document]) -> None:
    """Flat, JSON, no ``None``, no NaN: what every vector store takes."""
    for document in documents:
        for name, value in document.metadata.items():
            assert isinstance(name, str)
            assert isinstance(value, Scalar), f"{name} is {type(value).__name__}"
            assert not isinstance(value, float) or math.isfinite(value), name
        json.dumps(document.metadata, allow_nan=False)


def texts(documents: Sequence[Document]) -> list[str]:
    return [document.page_content for document in documents]
