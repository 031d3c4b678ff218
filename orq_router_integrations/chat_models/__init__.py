"""The chat model: converts between LangChain messages and the router's chat APIs."""
