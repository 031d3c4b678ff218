"""The chat model: converts between LangChain messages and the chat APIs of the router."""
