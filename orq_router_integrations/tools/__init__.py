"""Tools for agents and programs: images and speech."""
