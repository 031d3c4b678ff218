"""``OrqModerationMiddleware``: moderation of the messages of an agent."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage

from orq_router_integrations.errors import FlaggedContentError, RouterInputError
from orq_router_integrations.moderation import OrqModeration
from orq_router_integrations.wire.moderation import ModerationResult

try:
    from langchain.agents.middleware.types import AgentMiddleware, AgentState, hook_config
except ImportError:
    raise ImportError(
        "OrqModerationMiddleware requires langchain. Run: pip install langchain"
    ) from None

DEFAULT_REPLACEMENT = "This content was removed by moderation ({categories})."

Stage = Literal["input", "output", "tool"]


class _FlaggedMessage(NamedTuple):
    message: AnyMessage
    stage: Stage
    result: ModerationResult


class OrqModerationMiddleware(AgentMiddleware[AgentState[Any], Any]):
    """Check the messages of an agent with a moderation model, and act on those it flags.

    A moderation request that fails raises its error, so unchecked text never passes.

    Args:
        moderation: The moderation model. Defaults to ``OrqModeration()``.
        check_input: Whether to check what the user wrote since the last answer.
        check_output: Whether to check the text of the model.
        check_tool_results: Whether to check the results of tools.
        on_flagged: ``"error"`` raises ``FlaggedContentError``. ``"end"`` ends the run with the
            replacement as answer. ``"replace"`` replaces the text of the message and continues.
        replacement: Text that replaces flagged text. ``{categories}`` is replaced by the names of
            the categories.

    Raises:
        RouterInputError: An argument is invalid.
        FlaggedContentError: Text was flagged, and ``on_flagged="error"``.

    >>> from langchain.agents import create_agent
    >>> from orq_router_integrations import ChatOrq, OfflineRouter, OrqModeration
    >>> client = OfflineRouter().client()
    >>> moderation = OrqModeration(client=client)
    >>> middleware = OrqModerationMiddleware(moderation, on_flagged="end")
    >>> agent = create_agent(ChatOrq("openai/gpt-4o", client=client), middleware=[middleware])
    >>> agent.invoke({"messages": [("user", "I will hurt you")]})["messages"][-1].text
    'This content was removed by moderation (violence).'
    """

    def __init__(
        self,
        moderation: OrqModeration | None = None,
        *,
        check_input: bool = True,
        check_output: bool = True,
        check_tool_results: bool = False,
        on_flagged: Literal["error", "end", "replace"] = "error",
        replacement: str = DEFAULT_REPLACEMENT,
    ) -> None:
        super().__init__()
        if moderation is not None and not isinstance(moderation, OrqModeration):
            raise RouterInputError(
                f"moderation: expected an OrqModeration, got {type(moderation).__name__}."
            )
        if on_flagged not in {"error", "end", "replace"}:
            raise RouterInputError(
                f"on_flagged: expected 'error', 'end' or 'replace', got {on_flagged!r}."
            )
        self.moderation = moderation or OrqModeration()
        self.check_input = check_input
        self.check_output = check_output
        self.check_tool_results = check_tool_results
        self.on_flagged = on_flagged
        self.replacement = replacement

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the user's messages and the tool results since the last answer."""
        return self._check(self._find_new_messages(state["messages"]))

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the user's messages and the tool results since the last answer."""
        return await self._acheck(self._find_new_messages(state["messages"]))

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the text of the model."""
        return self._check(self._find_answer(state["messages"]))

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the text of the model."""
        return await self._acheck(self._find_answer(state["messages"]))

    def _find_new_messages(self, messages: Sequence[AnyMessage]) -> list[tuple[AnyMessage, Stage]]:
        return list(self._iter_new_messages(messages))[::-1]

    def _iter_new_messages(
        self, messages: Sequence[AnyMessage]
    ) -> Iterator[tuple[AnyMessage, Stage]]:
        """Yield the messages after the last answer that must be checked, the newest first."""
        for message in reversed(messages):
            if isinstance(message, AIMessage):
                return
            if isinstance(message, HumanMessage) and self.check_input and message.text.strip():
                yield message, "input"
            if (
                isinstance(message, ToolMessage)
                and self.check_tool_results
                and message.text.strip()
            ):
                yield message, "tool"

    def _find_answer(self, messages: Sequence[AnyMessage]) -> list[tuple[AnyMessage, Stage]]:
        answer = messages[-1]
        if self.check_output and isinstance(answer, AIMessage) and answer.text.strip():
            return [(answer, "output")]
        return []

    def _check(self, messages: Sequence[tuple[AnyMessage, Stage]]) -> dict[str, Any] | None:
        if not messages:
            return None
        results = self.moderation.invoke([message.text for message, _ in messages])
        return self._handle_results(messages, results)

    async def _acheck(self, messages: Sequence[tuple[AnyMessage, Stage]]) -> dict[str, Any] | None:
        if not messages:
            return None
        results = await self.moderation.ainvoke([message.text for message, _ in messages])
        return self._handle_results(messages, results)

    def _handle_results(
        self,
        messages: Sequence[tuple[AnyMessage, Stage]],
        results: Sequence[ModerationResult],
    ) -> dict[str, Any] | None:
        flagged = [
            _FlaggedMessage(message, stage, result)
            for (message, stage), result in zip(messages, results, strict=True)
            if result.flagged
        ]
        if not flagged:
            return None
        first = flagged[0]
        if self.on_flagged == "error":
            categories = ", ".join(first.result.flagged_categories)
            raise FlaggedContentError(
                f"Moderation flagged the {first.stage} ({categories or 'no category'}).",
                trace_id=first.result.trace_id,
                result=first.result,
            )
        if self.on_flagged == "replace":
            return {
                "messages": [
                    message.model_copy(update={"content": self._format_replacement(result)})
                    for message, _, result in flagged
                ]
            }
        answer = AIMessage(
            self._format_replacement(first.result),
            id=first.message.id if first.stage == "output" else None,
        )
        return {"jump_to": "end", "messages": [answer]}

    def _format_replacement(self, result: ModerationResult) -> str:
        categories = ", ".join(result.flagged_categories) or "unspecified"
        return self.replacement.replace("{categories}", categories)
