"""``OrqImageTool``: image generation, edits and variations."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing, closing
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field, PrivateAttr, model_validator
from typing_extensions import TypedDict, Unpack

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._http.safe_download import adownload, download
from orq_router_integrations._integration import merge_extra_body
from orq_router_integrations.errors import RouterInputError, raise_input_errors
from orq_router_integrations.media.atomic_write import validate_directory
from orq_router_integrations.settings import CONTROL_HINTS
from orq_router_integrations.tools.base import OrqTool, raise_tool_input_errors
from orq_router_integrations.tools.image_call import ImageCall, open_download
from orq_router_integrations.tools.image_inputs import ImageLoader, ImageRegistry, ImageSource
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.wire.arguments import reject_unknown_arguments
from orq_router_integrations.wire.call import StreamCall
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.images import (
    EDIT,
    GENERATION,
    VARIATION,
    ImageOperation,
    ImageParams,
    ImageRequest,
    check_compression,
    check_model_params,
    check_operation_params,
)
from orq_router_integrations.wire.model_names import ModelCandidates


class ImageArgs(ImageParams):
    """An image to generate or to edit."""

    prompt: str = Field(description="What the image should show, or how to change it.")
    image: str | Annotated[list[str], Field(min_length=1, max_length=16)] | None = optional(
        "Id or ids of earlier images (img_...) to edit as described by the prompt. With an empty "
        "prompt, variations of one image are created."
    )


class ImageOverrides(TypedDict, total=False):
    """Parameters of a single call. They take precedence over those of the tool."""

    model: str
    n: int | None
    size: str | None
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None
    style: Literal["vivid", "natural"] | None
    background: Literal["transparent", "opaque", "auto"] | None
    output_format: Literal["png", "jpeg", "webp"] | None
    output_compression: int | None
    moderation: Literal["auto", "low"] | None
    return_format: Literal["url", "b64_json"] | None
    user: str | None
    controls: RouterControls | RouterControlsDict | None


OVERRIDES = frozenset(ImageOverrides.__annotations__)
_HINTS = CONTROL_HINTS | {"response_format": "return_format"}


class OrqImageTool(OrqTool, ImageParams):
    """Generate, edit and vary images through the orq.ai AI Router.

    Agents use it like any other tool. Set ``name`` and ``description`` to change how it is
    presented to the model, which sees the ids and sizes of the images. The artifact of the tool
    message contains the images themselves, or the paths of their files if ``directory`` is set;
    ``ImageResult.of(message)`` restores the result. If ``model_args`` contains ``"image"``, the
    model can edit earlier images by id. ``create_agent`` and ``ToolNode`` report invalid arguments
    to the model so that it can retry.

    Programs call ``generate``, ``edit`` and ``create_variation``, or the async versions with the
    prefix ``a``. Parameters and ``controls`` can be overridden per call.

    Parameters of the tool are sent to the operations that support them. Parameters of a call must
    be supported by its operation. Parameters that DALL-E 2, DALL-E 3 or GPT Image models do not
    support are rejected before anything is sent; other models receive all parameters.

    Images are billed individually. After a timeout or a lost connection, a request that may have
    been processed is only retried with ``retry_ambiguous=True``.

    Raises:
        pydantic.ValidationError: An argument of the constructor or of ``invoke`` is invalid.
        RouterError: A call failed. ``partial_items`` contains the images that had arrived.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> boat = tool.generate("a red boat", size="256x256")
    >>> boat.image.width, boat.answering_model
    (256, 'openai/gpt-image-1')
    >>> tool.edit("make it blue", boat).operation
    'edit'
    """

    full_args_schema: ClassVar[type[BaseModel]] = ImageArgs

    name: str = "draw_image"
    description: str = "Draws an image as described by a prompt, and shows it to the user."
    fetch_urls: bool = Field(
        default=False, description="Download images that the router returns as URLs; see `download`"
    )

    _registry: ImageRegistry = PrivateAttr(default_factory=ImageRegistry)

    @model_validator(mode="after")
    def _check_model_params(self) -> Self:
        for model in self.collect_candidates(self.model, self.merge_controls()).primaries:
            check_model_params(model, self.collect_image_params())
        return self

    def generate(self, prompt: str, **overrides: Unpack[ImageOverrides]) -> ImageResult:
        """Generate images from a prompt.

        Args:
            prompt: What the image should show.
            overrides: Parameters of this call.
        """
        return self._send(self._prepare(GENERATION, overrides, prompt=prompt))

    async def agenerate(self, prompt: str, **overrides: Unpack[ImageOverrides]) -> ImageResult:
        """Generate images from a prompt; see ``generate``."""
        return await self._asend(self._prepare(GENERATION, overrides, prompt=prompt))

    def edit(
        self,
        prompt: str,
        image: "ImageSource | Sequence[ImageSource]",
        *,
        mask: "ImageSource | None" = None,
        **overrides: Unpack[ImageOverrides],
    ) -> ImageResult:
        """Edit an image, or combine up to 16 images, as described by a prompt.

        Args:
            prompt: How to change the image.
            image: One or several PNG, JPEG or WebP images of less than 50 MB each: paths, bytes,
                ``Blob`` objects, data URLs, image ids or earlier results. Paths in tool messages
                and dicts must be inside the ``directory`` of the tool.
            mask: A PNG with the size of the first image. Its transparent areas are edited.
            overrides: Parameters of this call.
        """
        return self._send(self._prepare(EDIT, overrides, prompt=prompt, image=image, mask=mask))

    async def aedit(
        self,
        prompt: str,
        image: "ImageSource | Sequence[ImageSource]",
        *,
        mask: "ImageSource | None" = None,
        **overrides: Unpack[ImageOverrides],
    ) -> ImageResult:
        """Edit an image, or combine up to 16 images; see ``edit``."""
        call = self._prepare(EDIT, overrides, prompt=prompt, image=image, mask=mask)
        return await self._asend(call)

    def create_variation(
        self, image: "ImageSource", **overrides: Unpack[ImageOverrides]
    ) -> ImageResult:
        """Create variations of an image.

        Args:
            image: One image, as for ``edit``.
            overrides: Parameters of this call.
        """
        return self._send(self._prepare(VARIATION, overrides, image=image))

    async def acreate_variation(
        self, image: "ImageSource", **overrides: Unpack[ImageOverrides]
    ) -> ImageResult:
        """Create variations of an image; see ``create_variation``."""
        return await self._asend(self._prepare(VARIATION, overrides, image=image))

    def download(self, result: ImageResult) -> ImageResult:
        """Download the images of a result that are only available at URLs.

        URLs must be https and point to public addresses. They are fetched without the API key, and
        redirects are not followed.

        Args:
            result: The result of a call.

        Returns:
            A copy of the result that contains the images.

        Raises:
            RouterInputError: A URL is not https, or its host is not public.
            RouterError: A URL cannot be fetched, or its data is not an image.
        """
        images, directory = list(self._register(result).images), validate_directory(self.directory)
        http_client = self.resolved_client.http_client
        for index, image in enumerate(images):
            if url := image.pending_url:
                chunks = download(url, http_client=http_client)
                with open_download(images, index, directory) as output, closing(chunks):
                    output.file.writelines(chunks)
        return self._register(result.model_copy(update={"images": tuple(images)}))

    async def adownload(self, result: ImageResult) -> ImageResult:
        """Download the images of a result that are only available at URLs; see ``download``."""
        images, directory = list(self._register(result).images), validate_directory(self.directory)
        http_client = self.resolved_client.http_async_client
        for index, image in enumerate(images):
            if url := image.pending_url:
                chunks = adownload(url, http_client=http_client)
                with open_download(images, index, directory) as output:
                    async with aclosing(chunks):
                        async for chunk in chunks:
                            output.file.write(chunk)
        return self._register(result.model_copy(update={"images": tuple(images)}))

    def register_images(self, result: ImageResult) -> None:
        """Register images, such as those of another tool, so that the model can use their ids."""
        self._register(result)

    def _run(self, prompt: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        result = self._send(self._prepare_tool_call(prompt, kwargs))
        return result.summary, result.to_artifact()

    async def _arun(self, prompt: str, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        result = await self._asend(self._prepare_tool_call(prompt, kwargs))
        return result.summary, result.to_artifact()

    def _prepare_tool_call(self, prompt: str, kwargs: dict[str, Any]) -> ImageCall:
        """Choose the operation. The model refers to images by id only, never by path."""
        validate_directory(self.directory)
        with raise_tool_input_errors():
            ids = kwargs.pop("image", None)
            if ids is None:
                return self._prepare(GENERATION, kwargs, prompt=prompt)
            ids = [ids] if isinstance(ids, str) else ids
            images = [self._loader.find(image_id) for image_id in ids]
            if not prompt.strip():
                return self._prepare(VARIATION, kwargs, image=images)
            return self._prepare(EDIT, kwargs, prompt=prompt, image=images)

    def _send(self, call: ImageCall) -> ImageResult:
        with call.handle_errors():
            (body,) = self.resolved_client.stream(call.request)
        result = self._register(call.build_result(body))
        return self.download(result) if self.fetch_urls else result

    async def _asend(self, call: ImageCall) -> ImageResult:
        with call.handle_errors():
            bodies = ScopedAsyncGenerator(self.resolved_client.astream(call.request))
            (body,) = [body async for body in bodies]
        result = self._register(call.build_result(body))
        return await self.adownload(result) if self.fetch_urls else result

    def _register(self, result: Any) -> ImageResult:
        if not isinstance(result, ImageResult):
            raise RouterInputError(
                f"result: Expected an ImageResult, got {type(result).__name__}. "
                "Convert a tool message with ImageResult.of(message)."
            )
        self._registry.register(result.images)
        return result

    @property
    def _loader(self) -> ImageLoader:
        return ImageLoader(self._registry, self.directory)

    def _prepare(
        self,
        operation: ImageOperation,
        overrides: Mapping[str, Any],
        *,
        prompt: Any = None,
        image: Any = (),
        mask: Any = None,
    ) -> ImageCall:
        with raise_input_errors(operation.endpoint.path):
            if operation is not VARIATION and not isinstance(prompt, str):
                raise ValueError(f"prompt: Expected a str, got {type(prompt).__name__}.")
            reject_unknown_arguments(overrides, OVERRIDES, _HINTS)
            controls = self.merge_controls(overrides.get("controls"))
            candidates = self.collect_candidates(overrides.get("model") or self.model, controls)
            files = self._loader.load_files(operation, image, mask) if operation.max_images else {}
            body = self._build_body(operation, overrides, prompt, candidates)
            directory = validate_directory(self.directory)
        call = ImageCall(operation.name, prompt, candidates, directory)
        call.request = StreamCall(
            endpoint=operation.endpoint,
            body=body,
            files=files,
            controls=controls,
            create_decoder=call.create_decoder,
            retry_ambiguous=self.retry_ambiguous,
            deadline_covers_stream=True,
        )
        return call

    def _build_body(
        self,
        operation: ImageOperation,
        overrides: Mapping[str, Any],
        prompt: str | None,
        candidates: ModelCandidates,
    ) -> dict[str, Any]:
        """Merge the parameters of the tool and of the call, and check them."""
        defaults = self.collect_image_params()
        params = {name: defaults[name] for name in defaults.keys() & operation.params}
        params |= {name: value for name, value in overrides.items() if value is not None}
        params.pop("controls", None)
        request = ImageRequest(**{"model": self.model, **params, "prompt": prompt})
        image_params = request.collect_image_params()
        check_operation_params(operation, image_params)
        for model in candidates.primaries:
            check_model_params(model, image_params)
            check_compression(model, {**self.extra_body, **image_params})
        return merge_extra_body(request.to_wire(), self.extra_body)
