"""The endpoint /audio/speech: text in, sound out."""
