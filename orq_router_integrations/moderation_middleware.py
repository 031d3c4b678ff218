"""``OrqModerationMiddleware``: moderation of an agent's messages."""

from collections.abc import Sequence
from inspect import signature
from typing import Any, Literal, NamedTuple, Never

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage

from orq_router_integrations.errors import FlaggedContentError, RouterInputError, raise_input_errors
from orq_router_integrations.moderation import OrqModeration
from orq_router_integrations.wire.arguments import reject_unknown_arguments
from orq_router_integrations.wire.json import dumps
from orq_router_integrations.wire.moderation import ModerationResult

try:
    from langchain.agents.middleware.types import AgentMiddleware, AgentState, hook_config
except ImportError:
    raise ImportError(
        "OrqModerationMiddleware requires langchain. Run: pip install langchain"
    ) from None

DEFAULT_REPLACEMENT = "This content was removed by moderation ({categories})."

Stage = Literal["input", "output", "tool result"]


class _CheckedText(NamedTuple):
    message: AnyMessage
    stage: Stage
    text: str


class OrqModerationMiddleware(AgentMiddleware[AgentState[Any], Any]):
    """Check an agent's messages with a moderation model, and act on those it flags.

    A moderation request that fails raises its error, so unchecked text never passes. Only text is
    checked: not images, files or the arguments of tool calls.

    Args:
        moderation: The moderation model. Defaults to ``OrqModeration()``.
        check_input: Whether to check what the user wrote since the last answer.
        check_output: Whether to check the text and the structured output of the model.
        check_tool_results: Whether to check the results of tools.
        on_flagged: ``"error"`` raises ``FlaggedContentError``. ``"replace"`` replaces the text of
            the flagged message and continues. ``"end"`` also ends the run, with the replacement as
            the answer. Flagged structured output always ends the run, and is replaced by ``None``.
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
        **unknown: Never,
    ) -> None:
        super().__init__()
        with raise_input_errors():
            reject_unknown_arguments(unknown, signature(type(self)).parameters)
        if moderation is not None and not isinstance(moderation, OrqModeration):
            raise RouterInputError(
                f"moderation: Expected an OrqModeration, got {type(moderation).__name__}."
            )
        if on_flagged not in {"error", "end", "replace"}:
            raise RouterInputError(
                f"on_flagged: Expected 'error', 'end' or 'replace', got {on_flagged!r}."
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
        return self._check(self._find_new_messages(state["messages"]), state)

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the user's messages and the tool results since the last answer."""
        return await self._acheck(self._find_new_messages(state["messages"]), state)

    @hook_config(can_jump_to=["end"])
    def after_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the text and the structured output of the model."""
        return self._check(self._find_answer(state["messages"]), state)

    @hook_config(can_jump_to=["end"])
    async def aafter_model(self, state: AgentState[Any], runtime: Any) -> dict[str, Any] | None:  # noqa: ARG002 - LangChain's interface
        """Check the text and the structured output of the model."""
        return await self._acheck(self._find_answer(state["messages"]), state)

    def _find_new_messages(self, messages: Sequence[AnyMessage]) -> list[_CheckedText]:
        """Return the messages after the last answer that must be checked."""
        new_messages = messages[_find_last_answer(messages) + 1 :]
        return [
            _CheckedText(message, stage, message.text)
            for message in new_messages
            if (stage := self._get_stage(message)) and message.text.strip()
        ]

    def _get_stage(self, message: AnyMessage) -> Stage | None:
        if self.check_input and isinstance(message, HumanMessage):
            return "input"
        if self.check_tool_results and isinstance(message, ToolMessage):
            return "tool result"
        return None

    def _find_answer(self, messages: Sequence[AnyMessage]) -> list[_CheckedText]:
        position = _find_last_answer(messages)
        if not self.check_output or position < 0:
            return []
        answer = messages[position]
        text = str(answer.text)
        if position + 1 < len(messages):  # structured output, which LangChain has already read
            calls = answer.tool_calls if isinstance(answer, AIMessage) else []
            text = "\n".join([text, *(dumps(call["args"]).decode() for call in calls)])
        return [_CheckedText(answer, "output", text)] if text.strip() else []

    def _check(
        self, texts: Sequence[_CheckedText], state: AgentState[Any]
    ) -> dict[str, Any] | None:
        if not texts:
            return None
        results = self.moderation.invoke([text for _, _, text in texts])
        return self._handle_results(texts, results, state)

    async def _acheck(
        self, texts: Sequence[_CheckedText], state: AgentState[Any]
    ) -> dict[str, Any] | None:
        if not texts:
            return None
        results = await self.moderation.ainvoke([text for _, _, text in texts])
        return self._handle_results(texts, results, state)

    def _handle_results(
        self,
        texts: Sequence[_CheckedText],
        results: Sequence[ModerationResult],
        state: AgentState[Any],
    ) -> dict[str, Any] | None:
        flagged = [
            (text, result) for text, result in zip(texts, results, strict=True) if result.flagged
        ]
        if not flagged:
            return None
        (message, stage, _), result = flagged[0]
        if self.on_flagged == "error":
            categories = ", ".join(result.flagged_categories)
            raise FlaggedContentError(
                f"Moderation flagged the {stage} ({categories or 'no category'}).",
                trace_id=result.trace_id,
                result=result,
            )
        if isinstance(message, AIMessage):
            return self._replace_answer(message, self._format_replacement(result), state)
        messages: list[AnyMessage] = [
            text.message.model_copy(update={"content": self._format_replacement(result)})
            for text, result in flagged
        ]
        if self.on_flagged == "replace":
            return {"messages": messages}
        answer = AIMessage(self._format_replacement(result))
        return {"messages": [*messages, answer], "jump_to": "end"}

    def _replace_answer(
        self, answer: AIMessage, text: str, state: AgentState[Any]
    ) -> dict[str, Any]:
        is_structured = state.get("structured_response") is not None
        if self.on_flagged == "replace" and not is_structured:
            # providers require the reasoning in these fields if there are tool calls
            kwargs = answer.additional_kwargs if answer.tool_calls else {}
            update = {"content": text, "additional_kwargs": kwargs}
            return {"messages": [answer.model_copy(update=update)]}
        update = {
            "content": text,
            "additional_kwargs": {},
            "tool_calls": [],
            "invalid_tool_calls": [],
        }
        results = state["messages"][_find_last_answer(state["messages"]) + 1 :]
        removals = [RemoveMessage(message.id) for message in results if message.id]
        return {
            "messages": [answer.model_copy(update=update), *removals],
            "jump_to": "end",
            **({"structured_response": None} if is_structured else {}),
        }

    def _format_replacement(self, result: ModerationResult) -> str:
        categories = ", ".join(result.flagged_categories) or "unspecified"
        return self.replacement.replace("{categories}", categories)


def _find_last_answer(messages: Sequence[AnyMessage]) -> int:
    """Return the position of the last message of the model, or -1."""
    positions = range(len(messages) - 1, -1, -1)
    return next((i for i in positions if isinstance(messages[i], AIMessage)), -1)
