"""The OCR loader and parser: conformance, requests, saved images, store and errors."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.loaders import LoaderConformance, LoaderSubject, PicklingConformance
from conformance.parsers import ListBlobLoader, ParserConformance, ParserSubject
from langchain_core.documents.base import Blob
from pydantic import ValidationError
from support.scans import create_pdf
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import OfflineRouter, OrqOCRLoader, OrqOCRParser
from orq_router_integrations.errors import (
    AuthenticationError,
    InvalidResponseError,
    RouterError,
    RouterInputError,
    SavingError,
    ServerError,
)

MODEL = "mistral/mistral-ocr-latest"
TEXTS = [["First page.", "Second page."], ["Another file."], ["The last file."]]
CHART = Path(__file__).parents[2] / "orq_router_integrations" / "assets" / "chart.png"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.pdf" for number in range(len(TEXTS))]
    for path, pages in zip(paths, TEXTS, strict=True):
        path.write_bytes(create_pdf(*pages))
    return paths


def create_loader(source: Any, router: OfflineRouter | None = None, **options: Any) -> OrqOCRLoader:
    options = {"model": MODEL} | options
    options.setdefault("client", (router or OfflineRouter()).client())
    return OrqOCRLoader(source, **options)


class TestLoaderConformance(LoaderConformance, PicklingConformance):
    @pytest.fixture(params=["directory", "blobs"])
    def subject(self, request: pytest.FixtureRequest, paths: list[Path]) -> LoaderSubject:
        router = OfflineRouter()

        def create(*, broken: bool = False, **options: Any) -> OrqOCRLoader:
            if broken:
                paths[1].write_bytes(b"plain text")
            source: Any = paths[0].parent
            if request.param == "blobs":
                source = ListBlobLoader([Blob.from_path(path) for path in paths])
            return create_loader(source, router, **options)

        return LoaderSubject(
            create=create,
            expected=TEXTS,
            count_fetched=lambda: len(router.requests),
            error=RouterInputError,
            continuing_policies=("skip", "mark"),
            marking_policies=("mark",),
        )

    @pytest.fixture
    def picklable(self, monkeypatch: pytest.MonkeyPatch) -> OrqOCRLoader:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        return OrqOCRLoader(["a.pdf"], model=MODEL, pages=[0])


class TestParserConformance(ParserConformance, PicklingConformance):
    @pytest.fixture
    def subject(self, paths: list[Path]) -> ParserSubject:
        router = OfflineRouter()
        return ParserSubject(
            create=lambda: OrqOCRParser(model=MODEL, client=router.client()),
            blobs=[Blob.from_data(create_pdf(*TEXTS[0])), Blob.from_path(paths[1])],
            expected=TEXTS[:2],
            invalid_blob=Blob.from_data(b"plain text"),
            error=RouterInputError,
            count_fetched=lambda: len(router.requests),
        )

    @pytest.fixture
    def picklable(self, monkeypatch: pytest.MonkeyPatch) -> OrqOCRParser:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        return OrqOCRParser(model=MODEL, on_error="skip")


def record_request(source: Any, **options: Any) -> tuple[str, dict[str, Any]]:
    """Return the URL and the body of the request for one page."""
    script = Script(respond(json={"model": "m", "pages": [{"index": 0, "markdown": "x"}]}))
    create_loader(source, client=create_client(script), **options).load()
    return str(script.requests[0].url), json.loads(script.requests[0].content)


def test_pdf_is_sent_as_a_data_url(paths: list[Path]) -> None:
    url, body = record_request(paths[1])
    assert url == "https://api.orq.ai/v2/router/ocr"
    data = base64.b64encode(paths[1].read_bytes()).decode()
    assert body == {
        "model": MODEL,
        "ocr_settings": {"include_image_base64": False},
        "document": {
            "type": "document_url",
            "document_url": f"data:application/pdf;base64,{data}",
            "document_name": "1.pdf",
        },
    }


def test_image_is_sent_as_a_data_url() -> None:
    _, body = record_request(CHART)
    assert body["document"]["type"] == "image_url"
    assert body["document"]["image_url"].startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("url", "kind"),
    [("https://example.com/a", "document_url"), ("https://example.com/a.png?x=1", "image_url")],
)
def test_urls_are_passed_on(url: str, kind: str) -> None:
    _, body = record_request(url)
    assert body["document"] == {"type": kind, kind: url}


@pytest.mark.parametrize("is_list", [False, True], ids=["one", "list"])
def test_data_url_is_sent_like_its_content(paths: list[Path], is_list: bool) -> None:
    data = base64.b64encode(paths[1].read_bytes()).decode()
    url = f"data:application/pdf;base64,{data}"
    _, body = record_request([url] if is_list else url)
    assert body["document"]["document_url"] == url


def test_options_are_sent(paths: list[Path], tmp_path: Path) -> None:
    _, body = record_request(
        paths[0], pages=[0], directory=tmp_path, max_images=3, min_image_size=50
    )
    assert body["pages"] == [0]
    assert body["ocr_settings"] == {
        "include_image_base64": True,
        "max_images_to_include": 3,
        "image_min_size": 50,
    }


def test_metadata_describes_the_page(paths: list[Path]) -> None:
    blob = Blob.from_path(paths[0], metadata={"topic": "boats", "page": 99})
    second = create_loader(blob, pages=[1]).load()[0]
    assert second.page_content == "Second page."
    assert second.metadata == {
        "topic": "boats",
        "source": str(paths[0]),
        "page": 1,
        "model": "mistral-ocr-latest",
        "width": 595,
        "height": 842,
        "dpi": 72,
        "offline": True,
        "file_pages": 1,
    }


def test_images_are_saved_and_linked(paths: list[Path], tmp_path: Path) -> None:
    data = base64.b64encode(CHART.read_bytes()).decode()
    page = {
        "markdown": "![img-0.png](img-0.png)",
        "images": [{"id": "img-0.png", "image_base64": f"data:image/png;base64,{data}"}],
    }
    pages = [{"index": 1, **page}, {"index": 0, **page}]
    script = Script(respond(json={"model": "m", "pages": pages}))
    directory = tmp_path / "images"
    directory.mkdir()
    documents = create_loader(paths[0], client=create_client(script), directory=directory).load()
    image_paths = sorted(directory.iterdir())
    assert [path.read_bytes() for path in image_paths] == [CHART.read_bytes()] * 2
    assert [document.page_content for document in documents] == [
        f"![img-0.png]({path})" for path in image_paths
    ]
    assert all(document.metadata["image_count"] == 1 for document in documents)
    assert data[:50] not in str(documents)


def test_image_that_is_not_base64_raises(paths: list[Path], tmp_path: Path) -> None:
    page = {"index": 0, "markdown": "x", "images": [{"id": "a", "image_base64": "!"}]}
    client = create_client(Script(respond(json={"model": "m", "pages": [page]})))
    with pytest.raises(InvalidResponseError, match="not valid base64"):
        create_loader(paths[0], client=client, directory=tmp_path).load()


def test_image_that_is_not_base64_is_marked(paths: list[Path], tmp_path: Path) -> None:
    page = {"index": 0, "markdown": "x", "images": [{"id": "a", "image_base64": "!"}]}
    client = create_client(Script(respond(json={"model": "m", "pages": [page]})))
    loader = create_loader(paths[0], client=client, directory=tmp_path, on_error="mark")
    assert "not valid base64" in loader.load()[0].metadata["error"]


@pytest.mark.parametrize("on_error", ["raise", "skip", "mark"])
def test_image_that_cannot_be_saved_raises(
    paths: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    """The other files could not be saved either."""
    directory = tmp_path / "images"
    directory.mkdir()
    image = {"id": "a", "image_base64": base64.b64encode(b"unknown type").decode()}
    pages = [{"index": 0, "markdown": "![a](a)", "images": [image]}]
    client = create_client(Script(respond(json={"model": "m", "pages": pages})))
    loader = create_loader(paths[0], client=client, directory=directory, on_error=on_error)

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(SavingError, match="No space left"):
        loader.load()


def test_link_to_a_path_with_spaces_is_quoted(paths: list[Path], tmp_path: Path) -> None:
    directory = tmp_path / "my images"
    directory.mkdir()
    image = {"id": "a", "image_base64": base64.b64encode(b"unknown type").decode()}
    pages = [{"index": 0, "markdown": "![a](a)", "images": [image]}]
    client = create_client(Script(respond(json={"model": "m", "pages": pages})))
    (document,) = create_loader(paths[0], client=client, directory=directory).load()
    assert document.page_content == f"![a](<{next(directory.iterdir())}>)"


def test_provider_fields_and_cost_are_metadata(paths: list[Path]) -> None:
    images = [{"id": "a", "image_base64": "QUJD", "top_left_x": 5}]
    page = {"index": 0, "markdown": "x", "images": images, "header": "Boats"}
    usage = {"type": "pages", "pages_processed": 1, "total_cost": 0.002}
    script = Script(respond(json={"model": "m", "pages": [page], "usage": usage}))
    (document,) = create_loader(paths[0], client=create_client(script)).load()
    assert document.metadata["file_cost"] == 0.002
    assert document.metadata["header"] == "Boats"
    assert document.metadata["images"] == '[{"id":"a","top_left_x":5}]'
    assert "QUJD" not in str(document)


@pytest.mark.parametrize(
    ("usage", "metadata"),
    [
        ({"usage": {"type": "pages", "pages_processed": 2}}, {"file_pages": 2}),
        ({"usage": {"type": "tokens", "tokens_processed": 70}}, {"file_tokens": 70}),
        ({"usage_info": {"pages_processed": 2, "doc_size_bytes": 9}}, {"file_pages": 2}),
        ({"usage": None}, {}),
    ],
    ids=["pages", "tokens", "usage_info", "none"],
)
def test_usage_is_metadata(paths: list[Path], usage: Any, metadata: dict[str, int]) -> None:
    script = Script(respond(json={"pages": [{"index": 0, "markdown": "x"}], **usage}))
    (document,) = create_loader(paths[0], client=create_client(script)).load()
    counts = {name: document.metadata.get(name) for name in ("file_pages", "file_tokens")}
    assert {name: count for name, count in counts.items() if count is not None} == metadata


@pytest.mark.parametrize("header", [b"II*\0", b"MM\0*"])
def test_tiff_may_have_several_pages(header: bytes) -> None:
    script = Script(respond(json={"pages": [{"index": 1, "markdown": "x"}]}))
    (document,) = create_loader(header, client=create_client(script), pages=[1, 1]).load()
    assert document.metadata["page"] == 1
    body = json.loads(script.requests[0].content)
    assert body["pages"] == [1]
    assert body["document"]["image_url"].startswith("data:image/tiff;base64,")


def test_store_avoids_a_second_request(paths: list[Path], tmp_path: Path) -> None:
    router = OfflineRouter()
    loaders = [create_loader(paths, router, store=tmp_path / "ocr.db") for _ in range(2)]
    assert loaders[0].load() == loaders[1].load()
    assert len(router.requests) == len(paths)
    create_loader(paths[0], router, store=tmp_path / "ocr.db", pages=[0]).load()
    assert len(router.requests) == len(paths) + 1


@pytest.mark.parametrize("on_error", ["raise", "skip"])
async def test_page_out_of_range_follows_the_error_policy(paths: list[Path], on_error: Any) -> None:
    loader = create_loader(paths[:2], pages=[1], on_error=on_error)
    if on_error == "raise":
        with pytest.raises(RouterError, match=r"1\.pdf: "):
            loader.load()
    else:
        assert [document.page_content for document in loader.load()] == ["Second page."]
        assert len(await loader.aload()) == 1


INVALID_SETTINGS = {
    "chat model": ({"model": "openai/gpt-4o"}, "is for chat"),
    "negative page": ({"pages": [-1]}, "pages"),
    "no pages": ({"pages": []}, "pages"),
    "page range": ({"pages": "0-3"}, "pages"),
    "directory": ({"directory": "/does/not/exist"}, "is not a directory"),
    "concurrency": ({"max_concurrency": 0}, "max_concurrency"),
    "policy": ({"on_error": "ignore"}, "on_error"),
    "file_path": ({"file_path": "a.pdf"}, "Use 'source'"),
}


@pytest.mark.parametrize(("options", "message"), INVALID_SETTINGS.values(), ids=INVALID_SETTINGS)
def test_invalid_setting_raises(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        create_loader("a.pdf", **options)


@pytest.mark.parametrize(
    "source",
    [b"", b"plain text", "/does/not/exist.pdf", b"ID3 audio", "data:text/plain;base64,QUFB"],
)
def test_invalid_source_raises_before_sending(source: Any) -> None:
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match="source: "):
        create_loader(source, router).lazy_load()
    assert router.requests == []


def test_directory_without_scans_raises(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Hi")
    with pytest.raises(RouterInputError, match=r"No PDF or image files .* Skipped 1 other"):
        create_loader(tmp_path).lazy_load()


def test_progress_bar_counts_files(paths: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    create_loader(paths, show_progress=True).load()
    output = capsys.readouterr().err
    assert "3/3" in output
    assert "0 errors" in output
    assert "min audio" not in output


def test_errors_that_affect_every_file_are_raised(paths: list[Path]) -> None:
    loader = create_loader(
        paths, client=OfflineRouter(api_keys=["other"]).client(api_key="k"), on_error="skip"
    )
    with pytest.raises(AuthenticationError):
        loader.load()


def test_error_names_the_file(paths: list[Path]) -> None:
    script = Script(lambda _: httpx.Response(500, json={"error": {"message": "Broken."}}))
    with pytest.raises(ServerError, match=r"0\.pdf: Broken"):
        create_loader(paths, client=create_client(script, max_retries=0)).load()
