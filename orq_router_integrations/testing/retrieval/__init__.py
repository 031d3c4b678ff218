"""Endpoints for retrieval: embeddings, rerank, OCR, knowledge bases and lists of models."""
