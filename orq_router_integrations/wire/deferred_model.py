"""What our models of pydantic have in common: when they are built, and what their fields take."""

from functools import partial
from inspect import Signature, signature
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, overload

from pydantic import BaseModel, ConfigDict

Given_contra = TypeVar("Given_contra", contravariant=True)
Held_co = TypeVar("Held_co", covariant=True)


class _Signature:
    """The signature of a model that is not built yet: without it, ``help`` shows its parent's."""

    def __get__(self, _: object, owner: type[BaseModel]) -> Signature:
        owner.model_rebuild(raise_errors=False)  # puts the real one into the place of this one
        if isinstance(vars(owner).get("__signature__"), _Signature):
            init: Any = owner.__init__
            return signature(partial(init, None))  # a type in it is not known yet
        return owner.__signature__


class DeferredModel(BaseModel):
    """Base of models whose validation is built with the first one: most programs need few."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        super().__pydantic_init_subclass__(**given)
        if not cls.__pydantic_complete__:
            cls.__signature__ = _Signature()  # type: ignore[assignment]


if TYPE_CHECKING:

    class CoercedField(Generic[Given_contra, Held_co]):
        """For type checkers: a field that takes more than it holds, as its validators allow."""

        @overload
        def __get__(self, owner: None, kind: Any) -> Self: ...
        @overload
        def __get__(self, owner: object, kind: Any) -> Held_co: ...
        def __get__(self, owner: object, kind: Any) -> Any: ...
        def __set__(self, owner: object, value: Given_contra) -> None: ...
