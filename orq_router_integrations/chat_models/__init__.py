"""The chat model: LangChain messages on one side, the router's chat APIs on the other."""
