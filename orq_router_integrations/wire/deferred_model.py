"""The base of this package's pydantic models: built late, with generated documentation."""

from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from pydantic import BaseModel, ConfigDict

from orq_router_integrations.wire.model_docs import LazySignature, add_args_section

Accepted_contra = TypeVar("Accepted_contra", contravariant=True)
Stored_co = TypeVar("Stored_co", covariant=True)


class DeferredModel(BaseModel):
    """Base of models whose validators are built when the first instance is created.

    Most programs use few of the models, and building all of them would make the import slow.
    ``help()`` shows a short signature and the descriptions of the fields.
    """

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.__signature__ = LazySignature()  # type: ignore[assignment]
        if docstring := vars(cls).get("__doc__"):
            cls.__doc__ = add_args_section(docstring, cls)

    @classmethod
    def model_rebuild(
        cls, *, force: bool = False, _parent_namespace_depth: int = 2, **kwargs: Any
    ) -> bool | None:
        """Build the validators; see pydantic."""
        built = super().model_rebuild(
            force=force, _parent_namespace_depth=_parent_namespace_depth + 1, **kwargs
        )
        cls.__signature__ = LazySignature()  # type: ignore[assignment] # pydantic sets its own
        return built


if TYPE_CHECKING:

    class CoercedField(Generic[Accepted_contra, Stored_co]):
        """For type checkers: a field whose validators accept more types than it stores."""

        @overload
        def __get__(self, owner: None, owner_type: Any) -> Self: ...
        @overload
        def __get__(self, owner: object, owner_type: Any) -> Stored_co: ...
        def __get__(self, owner: object, owner_type: Any) -> Any: ...
        def __set__(self, owner: object, value: Accepted_contra) -> None: ...
