"""What every face of the router has in common: settings, controls and the client that carries."""

from collections.abc import Collection, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator, model_validator

from orq_router_integrations.client import RouterClient
from orq_router_integrations.settings import RouterSettings
from orq_router_integrations.validation import format_validation_error
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.suggestions import reject_unknown_fields, suggest_name

if TYPE_CHECKING:
    from orq_router_integrations.wire.controls import RouterControlsDict
    from orq_router_integrations.wire.deferred_model import CoercedField

CONTROL_HINTS = {
    name: f"; it is a control of the router: controls=RouterControls({name}=...)"
    for name in RouterControls.model_fields
}
"""What to say to someone who gives a control where parameters belong."""


def rename_hints(**names: str) -> dict[str, str]:
    """What to say of names that other packages have: how the same is written here."""
    return {name: f"; here it is {said}" for name, said in names.items()}


ARGUMENT_HINTS = CONTROL_HINTS | rename_hints(
    api_base="base_url",
    openai_api_base="base_url",
    openai_api_key="api_key",
    request_timeout="timeout",
    model_name="model",
    fallback="controls={'fallbacks': [...]}",
    http_client="client=RouterClient(http_client=...)",
    http_async_client="client=RouterClient(http_async_client=...)",
)

_VALUES = attrgetter(*RouterSettings.model_fields)


def reject_unknown_kwargs(
    kwargs: Mapping[str, Any], allowed: Collection[str], hints: Mapping[str, str] = CONTROL_HINTS
) -> None:
    """Refuse keywords that no call takes; ``hints`` say where some of them belong.

    Raises:
        ValueError: one is unknown; the nearest known one is named.
    """
    for name in kwargs:
        if name not in allowed:
            hint = hints.get(name) or suggest_name(name, allowed)
            raise ValueError(f"{name}: unknown keyword{hint}")


class RouterIntegration(RouterSettings):
    """A chat model, tool or loader that reaches the router.

    Attributes:
        controls: the router's controls for all calls of this object.
        client: a ``RouterClient`` to use; it then decides all settings.
    """

    argument_hints: ClassVar[Mapping[str, str]] = ARGUMENT_HINTS
    """What to say of keywords that belong elsewhere."""

    if TYPE_CHECKING:
        controls: CoercedField[
            RouterControls | RouterControlsDict | None, RouterControls | None
        ] = CoercedField()
    else:
        controls: RouterControls | None = None
    client: RouterClient | None = Field(default=None, exclude=True, repr=False)

    _router: RouterClient | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _known_keywords(cls, data: Any) -> Any:
        return reject_unknown_fields(cls, data, cls.argument_hints)

    @field_validator("client", mode="before")
    @classmethod
    def _is_a_client(cls, given: Any) -> Any:
        if not isinstance(given, RouterClient) and callable(getattr(given, "client", None)):
            raise ValueError(f"give .client() of the {type(given).__name__}, not itself")
        return given

    @model_validator(mode="after")
    def _settle_client(self) -> Self:
        if self.client is not None:
            theirs = self.client.get_settings()
            for name in self.model_fields_set & theirs.keys():
                if getattr(self, name) not in (None, theirs[name]):
                    raise ValueError(f"{name}: client= decides it; set it there, or drop client=")
            vars(self).update(theirs)
        _ = self.resolved_client
        return self

    @classmethod
    def _late(cls, name: str, value: Any) -> Any:
        if name == "controls" and value is not None:
            return RouterControls.model_validate(value)
        return super()._late(name, value)

    @property
    def resolved_client(self) -> RouterClient:
        """The client that carries the calls."""
        if self.client is not None:
            return self.client
        router = self._router
        if router is None or _VALUES(router) != _VALUES(self):
            router = self._router = RouterClient(**self.get_settings())
        return router

    def merge_controls(self, overrides: Any = None) -> RouterControls:
        """This object's controls with those of one call on top, field by field.

        Raises:
            ValueError: a control is unknown or out of range.
        """
        own = self.controls or RouterControls()
        if overrides is None:
            return own
        try:
            return own.merge(RouterControls.model_validate(overrides))
        except ValidationError as error:
            raise ValueError(format_validation_error(error, prefix="controls.")) from None
