"""The endpoints of embeddings, rerank, knowledge bases and OCR.

Texts are similar if they share words. Vectors are deterministic and have unit length. Each model
has its own space, so that vectors of different models are not comparable, as with real models. The
chunks of a knowledge base are scripted. Every search type ranks them by the words that they share
with the query. A rerank model that is not enabled is silently ignored, as on the real router.

OCR reads the text layer of a PDF, and the text of an image that the offline router has generated.
Other images, and pages without a text layer, are described. URLs are not opened.
"""

import base64
import math
import operator
import re
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Annotated, Any, Literal

from langchain_core.documents import Document
from pydantic import Field

from orq_router_integrations.media.metadata import count_pdf_pages, read_image_size
from orq_router_integrations.testing.answering.prompt import count_tokens
from orq_router_integrations.testing.images import read_image_text
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RequestModel,
    validate_body,
)
from orq_router_integrations.testing.routing.json_shapes import Fields, OneOf, Shape, Shapes
from orq_router_integrations.testing.routing.platform import ModelRegistry
from orq_router_integrations.testing.routing.response import HTTPError, reject_field
from orq_router_integrations.wire.controls import Share
from orq_router_integrations.wire.endpoints import EMBEDDINGS, RERANK, Dialect, Endpoint
from orq_router_integrations.wire.knowledge import Filter, ResultCount, SearchType

MAX_INPUTS = 2048  # OpenAI's limit
MODEL_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
_STEM_CHARS = 5  # inflected forms share the start of a word

Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingsRequest(EndpointRequest):
    input: Text | Annotated[list[Text | Tokens], Field(min_length=1, max_length=MAX_INPUTS)]
    dimensions: Annotated[int, Field(ge=1, le=16_384)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class EmbeddingsEndpoint(EndpointHandler[EmbeddingsRequest]):
    endpoint = EMBEDDINGS
    schema = EmbeddingsRequest

    def respond(self, request: EmbeddingsRequest, model: str) -> dict[str, Any]:
        name = model.partition("/")[2]
        dimensions = request.dimensions or MODEL_DIMENSIONS.get(name, 1024)
        items = [request.input] if isinstance(request.input, str) else request.input
        texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]
        data = []
        for index, text in enumerate(texts):
            embedding: Any = create_vector(text, dimensions, name)
            if request.encoding_format == "base64":
                embedding = base64.b64encode(struct.pack(f"<{dimensions}f", *embedding)).decode()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        tokens = count_tokens(*texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": name, "usage": usage}


class RerankRequest(EndpointRequest):
    query: str
    documents: Annotated[list[str], Field(max_length=1000)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = False
    filename: str | None = None


class RerankEndpoint(EndpointHandler[RerankRequest]):
    endpoint = RERANK
    schema = RerankRequest

    def respond(self, request: RerankRequest, model: str) -> dict[str, Any]:  # noqa: ARG002
        results: list[dict[str, Any]] = []
        for index, text in enumerate(request.documents):
            score = compute_similarity(request.query, text)
            results.append({"object": "rerank", "index": index, "relevance_score": score})
            if request.return_documents:
                results[-1]["document"] = {"text": text}
        results.sort(key=lambda result: -result["relevance_score"])
        usage = {"total_tokens": count_tokens(request.query, *request.documents)}
        return {"object": "list", "results": results[: request.top_n], "usage": usage}


def compute_similarity(text: str, other: str) -> float:
    """Return the cosine of two texts: 0 if they share nothing, 1 if they have the same words."""
    first, second = count_features(text), count_features(other)
    product = sum(weight * second.get(name, 0.0) for name, weight in first.items())
    cosine = product / (math.hypot(*first.values()) * math.hypot(*second.values()))
    return round(min(1.0, cosine), 6)


def create_vector(text: str, dimensions: int, space: str) -> list[float]:
    """Create the unit vector of a text in the space of a model."""
    vector = [0.0] * dimensions
    for name, weight in count_features(text).items():
        number = int.from_bytes(blake2b(f"{space}\0{name}".encode(), digest_size=8).digest())
        vector[(number >> 1) % dimensions] += weight if number & 1 else -weight
    length = math.hypot(*vector)
    if not length:  # all features cancel out
        vector[0] = length = 1.0
    return [number / length for number in vector]


def count_features(text: str) -> dict[str, float]:
    """Return the words and stems of a text with their weights, which are low for short words.

    Words of scripts without spaces are divided into pairs of characters.
    """
    weights: Counter[str] = Counter()
    for word in re.findall(r"\w+", text.casefold()):
        pairs = [] if word.isascii() else [word[i : i + 2] for i in range(len(word) - 1)]
        weights.update(pairs * 10)
        weights[word] += 2 if len(word) <= 3 else 10
        if len(word) > _STEM_CHARS:
            weights[word[:_STEM_CHARS]] += 5
    return {name: math.sqrt(weight) for name, weight in weights.items()} or {text: 1.0}


KnowledgeBases = Mapping[str, Sequence[str | Document] | Iterator[str | Document]]

Rerank = Annotated[Any, Shape({"model": str, "threshold?": Share, "top_k?": ResultCount})]
_OPTIONS: Fields = {f"include_{name}?": bool for name in ("vectors", "metadata", "scores")}


class SearchRequest(RequestModel):
    query: Annotated[str, Field(min_length=1)]
    top_k: ResultCount = 5
    threshold: Share = 0.0
    search_type: SearchType = "hybrid_search"
    filter_by: Filter = Field(default_factory=dict)
    search_options: Annotated[Any, Shape(_OPTIONS)] = Field(default_factory=dict)
    rerank_config: Rerank | None = None
    agentic_rag_config: dict[str, str] | None = None  # without effect
    retrieval_config: dict[str, Any] | None = None  # without effect


class KnowledgeBaseIndex:
    def __init__(self, bases: KnowledgeBases | None, models: ModelRegistry) -> None:
        self._models = models
        self._bases = {
            id_: [chunk if isinstance(chunk, Document) else Document(chunk) for chunk in chunks]
            for id_, chunks in (bases or {}).items()
        }

    def search(self, body: Mapping[str, Any], id_: str, *, lenient: bool) -> dict[str, Any]:
        if id_ not in self._bases:
            raise HTTPError(404, f"knowledge base {id_!r} was not found", "not_found")
        request = validate_body(SearchRequest, body, lenient=lenient)
        limit, threshold = request.top_k, max(request.threshold, 1e-6)
        score_names = ["search_score"]
        rerank = request.rerank_config
        if rerank and self._models.is_enabled(rerank["model"]):
            limit = min(limit, rerank.get("top_k", 10))
            threshold = max(threshold, rerank.get("threshold", 0))
            score_names.append("rerank_score")
        match: dict[str, Any]
        matches: list[tuple[float, dict[str, Any]]] = []
        for number, document in enumerate(self._bases[id_]):
            score = compute_similarity(request.query, document.page_content)
            if score >= threshold and matches_filter(document.metadata, request.filter_by):
                match = {"id": document.id or f"{id_}-{number}", "text": document.page_content}
                if request.search_options.get("include_metadata"):
                    match["metadata"] = document.metadata
                if request.search_options.get("include_scores"):
                    match["scores"] = dict.fromkeys(score_names, score)
                matches.append((score, match))
        matches.sort(key=lambda item: -item[0])
        return {"matches": [match for _, match in matches[:limit]]}


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, operand: value in operand,
    "nin": lambda value, operand: value not in operand,
    "exists": lambda value, operand: (value is not None) is operand,
}


def matches_filter(metadata: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    return all(_matches(metadata, name, condition) for name, condition in conditions.items())


def _matches(metadata: Mapping[str, Any], name: str, condition: Any) -> bool:
    if name in {"and", "or"}:
        results = [matches_filter(metadata, part) for part in condition]
        return all(results) if name == "and" else any(results)
    ((comparison, operand),) = condition.items()
    with suppress(TypeError):  # values that cannot be compared do not match
        return _COMPARISONS[comparison](metadata.get(name), operand)
    return False


MAX_STREAM_BYTES = 1024 * 1024

_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)(?:endstream|\Z)", re.DOTALL)
_SHOWN_STRING = re.compile(rb"\(((?:[^\\()]|\\.)*+)\)\s*Tj", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)  # an octal code or a character

OCR_SETTINGS: Fields = {
    "include_image_base64?": bool | None,
    "max_images_to_include?": int | None,
    "image_min_size?": int | None,
}
ImageURL = Shape({"url": str, "detail?": str | None})
OCR_DOCUMENTS: Shapes = {
    "document_url": {"document_url": str, "document_name?": str | None},
    "image_url": {"image_url": str | Annotated[Any, ImageURL]},
}


class OCRRequest(EndpointRequest):
    document: Annotated[dict[str, Any], OneOf("type", OCR_DOCUMENTS)]
    pages: list[int] | None = None
    ocr_settings: Annotated[Any, Shape(OCR_SETTINGS)] = None


class OCREndpoint(EndpointHandler[OCRRequest]):
    endpoint = Endpoint("/ocr", {}, dialects=frozenset({Dialect.V2_ROUTER}))
    schema = OCRRequest

    def respond(self, request: OCRRequest, model: str) -> dict[str, Any]:
        url = request.document[request.document["type"]]
        pages = _read_pages(url if isinstance(url, str) else url["url"])
        indices = range(len(pages)) if request.pages is None else request.pages
        if missing := [index for index in indices if not 0 <= index < len(pages)]:
            reject_field("pages", f"page {missing[0]} does not exist: there are {len(pages)}")
        return {
            "model": model.partition("/")[2],
            "pages": [{"index": index, "images": [], **pages[index]} for index in indices],
            "usage": {"type": "pages", "pages_processed": len(indices)},
        }


def _read_pages(url: str) -> list[dict[str, Any]]:
    """Return the text and the size of each page of a document."""
    match = _DATA_URL.fullmatch(url)
    if match is None:
        return [{"markdown": f"(The offline router does not open {url[:80]})", "dimensions": None}]
    try:
        data = base64.b64decode(match[2], validate=True)
    except ValueError as error:
        reject_field("document", str(error))
    if match[1] == "application/pdf":
        width, height = 595, 842  # A4
        texts = read_pdf_pages(data) or [""]
    else:
        width, height = read_image_size(data) or (0, 0)
        texts = [read_image_text(data) or ""]
    placeholder = f"(A page of {width} x {height} without text that the offline router can read.)"
    dimensions = {"dpi": 72, "width": width, "height": height} if width else None
    return [{"markdown": text or placeholder, "dimensions": dimensions} for text in texts]


def read_pdf_pages(data: bytes) -> list[str]:
    """Return the text of each page, or an empty list if the pages cannot be counted. Never raises.

    Only text in a Latin encoding that is shown by ``Tj`` is read. If not every page has a text, the
    first one has all of it.
    """
    texts = []
    for match in _STREAM.finditer(data):
        content = match[1][:MAX_STREAM_BYTES]
        with suppress(zlib.error):  # the stream is not compressed
            content = zlib.decompressobj().decompress(content, MAX_STREAM_BYTES)
        strings = [_ESCAPE.sub(_unescape, text) for text in _SHOWN_STRING.findall(content)]
        if text := " ".join(b" ".join(strings).decode("cp1252", "replace").split()):
            texts.append(text)
    count = count_pdf_pages(data) or 0
    return texts if len(texts) == count else [" ".join(texts), *[""] * (count - 1)][:count]


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8) & 255]) if match[1] else match[2]
