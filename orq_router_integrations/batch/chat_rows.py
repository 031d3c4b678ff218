"""``ChatRows``: answers to a column of prompts."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.load import dumps
from langchain_core.messages import BaseMessage, convert_to_messages
from langchain_core.runnables import Runnable
from pydantic import BaseModel

from orq_router_integrations._integration import RouterIntegration
from orq_router_integrations.batch.rows import Row, Rows, check_type
from orq_router_integrations.batch.store import ResultStore
from orq_router_integrations.chat_models.response_metadata import Provenance
from orq_router_integrations.errors import RouterInputError


class ChatRows(Rows):
    """Answer a column of prompts with a chat model or a chain.

    A prompt is text, or a list of messages as dicts with ``role`` and ``content``. The answer is
    text, or a dict if the chain returns an object or a dict.

    Args:
        model: A ``ChatOrq``, or a chain that starts with a prompt or messages.
        prompt: Name of the column of prompts.
        answer: Name of the new column.
        store: Where to keep answers, so that no prompt is billed twice.
        metadata_prefix: Start of the names of the other new columns, such as ``cost``.
        max_concurrency: Maximum number of items in progress in this process.

    Raises:
        RouterInputError: An argument is invalid.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> router = OfflineRouter(answers={"2 + 2?": "4"})
    >>> rows = ChatRows(ChatOrq("openai/gpt-4o", client=router.client()))
    >>> rows({"id": [7], "prompt": ["2 + 2?"]})["answer"]
    ['4']
    """

    def __init__(
        self,
        model: Runnable[Any, Any],
        *,
        prompt: str = "prompt",
        answer: str = "answer",
        store: ResultStore | None = None,
        metadata_prefix: str = "",
        max_concurrency: int = 32,
    ) -> None:
        super().__init__(
            input_column=prompt,
            output_column=answer,
            store=store,
            metadata_prefix=metadata_prefix,
            max_concurrency=max_concurrency,
        )
        check_type("model", model, Runnable)
        self.model = model
        if store is not None:
            self._describe_settings()  # raises if the chain contains a function

    def _prepare(self, value: Any) -> Any:
        if not isinstance(value, list):
            return super()._prepare(value)
        try:
            convert_to_messages(value)
        except (ValueError, NotImplementedError) as error:
            raise RouterInputError(f"{self.input_column}: {error}") from None
        return value

    def _call(self, value: Any) -> Row:
        return self._create_row(self.model.invoke(value))

    async def _acall(self, value: Any) -> Row:
        return self._create_row(await self.model.ainvoke(value))

    def _create_row(self, result: Any) -> Row:
        if not isinstance(result, BaseMessage):
            is_model = isinstance(result, BaseModel)
            return {self.output_column: result.model_dump(mode="json") if is_model else result}
        provenance = Provenance.of(result)
        usage = getattr(result, "usage_metadata", None) or {}
        return {
            self.output_column: result.text,
            "answering_model": provenance.answering_model,
            "input_tokens": usage.get("input_tokens"),
            "output_tokens": usage.get("output_tokens"),
            "cost": provenance.cost,
            "attempts": provenance.attempts,
            "trace_id": provenance.trace_id,
        }

    def _describe_settings(self) -> str:
        text = dumps(self.model, sort_keys=True)
        if "RunnableLambda" in text or " at 0x" in text:
            raise RouterInputError(
                "store: The chain contains a function, whose behavior cannot be part of a key. "
                "Leave out store=, or set cache= on the model."
            )
        accounts = [model.resolved_client.fingerprint() for model in _find_models(self.model)]
        return f"{text}{accounts}"


def _find_models(runnable: Any) -> Iterator[RouterIntegration]:
    """Yield the models in a chain."""
    if isinstance(runnable, RouterIntegration):
        yield runnable
    elif isinstance(bound := getattr(runnable, "bound", None), Runnable):
        yield from _find_models(bound)
    else:
        steps = getattr(runnable, "steps", None) or getattr(runnable, "steps__", None) or ()
        for step in steps.values() if isinstance(steps, Mapping) else steps:
            yield from _find_models(step)
