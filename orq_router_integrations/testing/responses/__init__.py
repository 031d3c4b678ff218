"""POST /responses and GET /responses/{id}: request schema, responses, events and storage."""
