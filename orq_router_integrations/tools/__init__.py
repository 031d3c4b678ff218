"""Tools for agents and programs: speech."""
