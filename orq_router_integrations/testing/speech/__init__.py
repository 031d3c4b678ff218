"""POST /audio/speech: text to speech."""
