"""``OrqImageTool``: images from words, and from other images."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, model_validator
from typing_extensions import TypedDict, Unpack

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._http.safe_download import adownload, download
from orq_router_integrations._integration import CONTROL_HINTS, reject_unknown_kwargs
from orq_router_integrations.errors import to_input_error
from orq_router_integrations.media.atomic_write import validate_directory
from orq_router_integrations.tools.base import OrqTool, raise_tool_input_errors
from orq_router_integrations.tools.image_call import ImageCall
from orq_router_integrations.tools.image_inputs import ImageRegistry, ImageSource, build_image_files
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.tools.image_sink import ImageFetcher
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.images import (
    BODY_FIELDS,
    EDIT,
    GENERATION,
    VARIATION,
    ImageOperation,
    ImageParams,
    ImageRequest,
    check_model_params,
    check_operation_params,
)
from orq_router_integrations.wire.model_candidates import ModelCandidates


class _What(BaseModel):
    prompt: str = Field(description="What the image should show, or how to change it.")
    image: str | Annotated[list[str], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Id, or ids, of earlier images (img_...) to change as the prompt says; "
        "with an empty prompt, of one image to make variations of.",
    )
    mask: str | None = Field(
        default=None,
        description="Id of an earlier image whose clear parts say where the first image changes.",
    )


class ImageArgs(ImageParams, _What):
    """An image to draw, or to change."""


class ImageOverrides(TypedDict, total=False):
    """What one call may say differently than the tool."""

    model: str
    n: int | None
    size: str | None
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None
    style: Literal["vivid", "natural"] | None
    background: Literal["transparent", "opaque", "auto"] | None
    output_format: Literal["png", "jpeg", "webp"] | None
    output_compression: int | None
    moderation: Literal["auto", "low"] | None
    delivery: Literal["url", "b64_json"] | None
    user: str | None
    controls: RouterControls | RouterControlsDict | None


class OrqImageTool(OrqTool, ImageParams):
    """Draws, edits and varies images through the orq.ai AI Router.

    For an agent it is a tool like any other: the message tells the model the ids and sizes of the
    images, its artifact holds them (or, with ``directory``, the paths of their files) and all that
    is known of them; ``ImageResult.of(message)`` reads that. With ``image`` in ``open_args`` the
    model can edit what it drew, naming it by its id. A choice that cannot be done it is told, and
    may choose again; invoked without a tool call the tool raises a ``ChoiceError``. Programs call
    ``generate``, ``edit`` and ``vary``, or their async twins, and may choose parameters and
    ``controls`` per call.

    A parameter set here goes along with the operations that take it; one given with a call must
    fit. What a family of models (DALL-E 2 and 3, GPT Image) does not take is refused before
    anything is sent; models of other families get everything.

    Images are billed by the piece: a request that may have been worked on is not sent again.

    Attributes:
        model: the provider, a slash, the provider's model: ``openai/gpt-image-1``.
        n: how many images, 1 to 10; dall-e-3 makes one.
        size: ``auto``, or width x height in pixels, such as ``1024x1024``.
        quality: ``auto``, ``high``, ``medium``, ``low``, ``hd`` or ``standard``.
        style: ``vivid`` or ``natural`` (dall-e-3).
        background: ``transparent``, ``opaque`` or ``auto`` (GPT Image; not for edits).
        output_format: ``png``, ``jpeg`` or ``webp`` (GPT Image; not for edits).
        output_compression: 0 to 100, for jpeg and webp.
        moderation: ``auto`` or ``low`` (GPT Image).
        delivery: ``url`` or ``b64_json`` (DALL-E); on the wire it is ``response_format``.
        user: your own name of the end user (edits and variations).
        open_args: of these and of ``image`` and ``mask``: what the model may choose beside the
            prompt.
        directory: an existing folder for the images, named by their ids; by default the artifact
            holds them, as base64.
        fetch_urls: fetch images that come as URLs at once; see ``download``.
        retry_ambiguous: send again also what the router may have worked on, and billed.
        controls: the router's controls; those given per call go on top, field by field.
        extra_body: further members of the request body.
        client: a ``RouterClient`` to use; it then decides all settings.

    Raises:
        pydantic.ValidationError: at construction, when an argument is wrong.
        RouterError: at a call; ``partial_items`` has the images that had arrived of a broken one.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> boat = tool.generate("a red boat", size="256x256")
    >>> boat.image.width, boat.answering_model
    (256, 'openai/gpt-image-1')
    >>> tool.edit("make it blue", boat).operation
    'edit'
    """

    full_args_schema: ClassVar[type[BaseModel]] = ImageArgs
    reserved_fields: ClassVar[frozenset[str]] = BODY_FIELDS

    name: str = "draw_image"
    description: str = "Draws an image of what the prompt says, for the user to see."
    fetch_urls: bool = False
    retry_ambiguous: bool = False

    _album: ImageRegistry = PrivateAttr(default_factory=ImageRegistry)

    @model_validator(mode="after")
    def _taken_by_its_family(self) -> Self:
        opened = dict.fromkeys((n for n in self.model_args if n in ImageParams.model_fields), 1)
        for model in self._models(self.model, self.resolved_client.controls.merge(self.controls)):
            check_model_params(model, {**opened, **self.collect_image_params()})
        return self

    # For programs

    def generate(self, prompt: str, **choices: Unpack[ImageOverrides]) -> ImageResult:
        """Draw images of what a prompt says.

        Raises:
            RouterInputError: an argument is wrong; nothing was sent.
            RouterError: the router refused or failed, or its reply broke off.
        """
        return self._drawn(self._drawing(GENERATION, choices, prompt=prompt))

    async def agenerate(self, prompt: str, **choices: Unpack[ImageOverrides]) -> ImageResult:
        """Draw images of what a prompt says; see ``generate``."""
        return await self._adrawn(self._drawing(GENERATION, choices, prompt=prompt))

    def edit(
        self,
        prompt: str,
        image: ImageSource | Sequence[ImageSource],
        *,
        mask: ImageSource | None = None,
        **choices: Unpack[ImageOverrides],
    ) -> ImageResult:
        """Change one image, or make a new one of up to 16, as a prompt says.

        Args:
            prompt: how to change it.
            image: PNG, JPEG or WebP of less than 50 MB each: paths, bytes, ``Blob``s, data URIs,
                ids, or earlier results; messages open files in the tool's ``directory`` only.
            mask: a PNG as large as the first image; where it is clear, the image is changed.
            choices: parameters of this call.

        Raises:
            RouterInputError: an argument is wrong; nothing was sent.
            RouterError: the router refused or failed, or its reply broke off.
        """
        return self._drawn(self._drawing(EDIT, choices, prompt=prompt, image=image, mask=mask))

    async def aedit(
        self,
        prompt: str,
        image: ImageSource | Sequence[ImageSource],
        *,
        mask: ImageSource | None = None,
        **choices: Unpack[ImageOverrides],
    ) -> ImageResult:
        """Change one image, or make a new one of up to 16, as a prompt says; see ``edit``."""
        drawing = self._drawing(EDIT, choices, prompt=prompt, image=image, mask=mask)
        return await self._adrawn(drawing)

    def create_variation(
        self, image: ImageSource, **choices: Unpack[ImageOverrides]
    ) -> ImageResult:
        """Make variations of one image.

        Raises:
            RouterInputError: an argument is wrong; nothing was sent.
            RouterError: the router refused or failed, or its reply broke off.
        """
        return self._drawn(self._drawing(VARIATION, choices, image=image))

    async def acreate_variation(
        self, image: ImageSource, **choices: Unpack[ImageOverrides]
    ) -> ImageResult:
        """Make variations of one image; see ``vary``."""
        return await self._adrawn(self._drawing(VARIATION, choices, image=image))

    def download(self, result: ImageResult) -> ImageResult:
        """The result with the images that the router left behind URLs.

        They are fetched over https, without the key, from a public address that is looked up once
        and connected to; redirects are not followed.

        Raises:
            RouterInputError: a URL is not https, or its host is not public.
            RouterError: it cannot be fetched, or is no image.
        """
        fetched = ImageFetcher(result, validate_directory(self.directory))
        with fetched.handle_errors():
            for url in fetched.iter_urls():
                with closing(download(url, http_client=self.resolved_client.http_client)) as data:
                    for piece in data:
                        fetched.write(piece)
        return self._kept(fetched.result)

    async def adownload(self, result: ImageResult) -> ImageResult:
        """The result with the images that the router left behind URLs; see ``download``."""
        fetched = ImageFetcher(result, validate_directory(self.directory))
        with fetched.handle_errors():
            for url in fetched.iter_urls():
                http = self.resolved_client.http_async_client
                async with aclosing(adownload(url, http_client=http)) as data:
                    async for piece in data:
                        fetched.write(piece)
        return self._kept(fetched.result)

    def register_images(self, result: ImageResult) -> None:
        """Let the model name the images of another tool's result; their files may be anywhere."""
        self._kept(result)

    # For agents

    def _run(self, prompt: str, **given: Any) -> tuple[str, dict[str, Any]]:
        result = self._drawn(self._called(prompt, given))
        return result.summary, result.to_artifact()

    async def _arun(self, prompt: str, **given: Any) -> tuple[str, dict[str, Any]]:
        result = await self._adrawn(self._called(prompt, given))
        return result.summary, result.to_artifact()

    def _called(self, prompt: str, given: dict[str, Any]) -> ImageCall:
        """What a model asks for.

        Raises:
            ChoiceError: it cannot be done.
        """
        validate_directory(self.directory)
        with raise_tool_input_errors():
            return self._chosen(prompt, given)

    def _chosen(self, prompt: str, given: dict[str, Any]) -> ImageCall:
        """By what is there, an image to draw, to edit or to vary; ids name them, never paths."""
        image, mask = given.pop("image", None), given.pop("mask", None)
        if image is None:
            if mask is not None:
                raise ValueError("mask: needs an image that it belongs to")
            return self._drawing(GENERATION, given, prompt=prompt)
        names = [image] if isinstance(image, str) else image
        known = [self._album.find(name, self.directory) for name in names]
        masking = self._album.find(mask, self.directory) if mask else None
        if not prompt.strip() and masking is None:
            return self._drawing(VARIATION, given, image=known)
        return self._drawing(EDIT, given, prompt=prompt, image=known, mask=masking)

    # From arguments to a request and back

    def _drawn(self, drawing: ImageCall) -> ImageResult:
        with (
            drawing.handle_errors(),
            closing(self.resolved_client.stream(drawing.call)) as arriving,
        ):
            for image in arriving:
                drawing.add_image(image)
        result = self._kept(drawing.result)
        return self.download(result) if self.fetch_urls else result

    async def _adrawn(self, drawing: ImageCall) -> ImageResult:
        with drawing.handle_errors():
            async with ScopedAsyncGenerator(self.resolved_client.astream(drawing.call)) as arriving:
                async for image in arriving:
                    drawing.add_image(image)
        result = self._kept(drawing.result)
        return await self.adownload(result) if self.fetch_urls else result

    def _kept(self, result: ImageResult) -> ImageResult:
        self._album.register(result.images)
        return result

    def _drawing(
        self, operation: ImageOperation, choices: Mapping[str, Any], **what: Any
    ) -> ImageCall:
        try:
            return self._prepared(operation, choices, **what)
        except ValueError as error:
            path = operation.endpoint.path
            raise to_input_error(error, endpoint=path, candidates=OVERRIDES) from None

    def _prepared(
        self,
        operation: ImageOperation,
        choices: Mapping[str, Any],
        *,
        prompt: Any = None,
        image: Any = (),
        mask: Any = None,
    ) -> ImageCall:
        if operation is not VARIATION and not isinstance(prompt, str):
            raise ValueError(f"prompt: must be text, not {type(prompt).__name__}")
        controls = self.merge_controls(choices.get("controls"))
        merged = self.resolved_client.controls.merge(controls)
        request = self._request(operation, choices, prompt, merged)
        return ImageCall(
            operation=operation,
            request=request,
            files=build_image_files(
                operation, image, mask, registry=self._album, directory=self.directory
            ),
            candidates=ModelCandidates.from_controls(request.model, merged),
            controls=controls,
            extra_body=self.extra_body,
            repeatable=self.retry_ambiguous,
            directory=validate_directory(self.directory),
        )

    def _request(
        self,
        operation: ImageOperation,
        choices: Mapping[str, Any],
        prompt: str | None,
        controls: RouterControls,
    ) -> ImageRequest:
        """The parameters: a call's own must fit, the tool's go where they are taken."""
        reject_unknown_kwargs(choices, OVERRIDES, _HINTS)
        given = {n: v for n, v in choices.items() if v is not None and n != "controls"}
        own = {n: v for n, v in self.collect_image_params().items() if n in operation.params}
        request = ImageRequest(**{"model": self.model, **own, **given, "prompt": prompt})
        params = request.collect_image_params()
        check_operation_params(operation, params)
        for model in self._models(request.model, controls):
            check_model_params(model, params)
        return request

    @staticmethod
    def _models(model: str, controls: RouterControls) -> list[str]:
        """The models that are asked first; a fallback gets what fits these."""
        balancer = controls.load_balancer
        return [item.model for item in balancer.models] if balancer else [model]


OVERRIDES = frozenset(ImageOverrides.__annotations__)
_HINTS = {**CONTROL_HINTS, "response_format": "Use 'delivery'."}
