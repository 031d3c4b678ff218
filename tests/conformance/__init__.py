"""Suites that any implementation of a LangChain interface can be held against."""
