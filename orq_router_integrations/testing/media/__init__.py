"""Decode and encode audio, and convert speech to tones and back."""
