"""POST /audio/transcriptions and POST /audio/translations: speech to text."""
