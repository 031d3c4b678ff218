"""Test suites that any LangChain loader or parser can be run against."""
