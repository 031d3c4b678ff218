"""The endpoints /audio/transcriptions and /audio/translations."""
