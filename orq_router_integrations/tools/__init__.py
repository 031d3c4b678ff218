"""LangChain tools that generate images and speech through the orq.ai AI Router."""
