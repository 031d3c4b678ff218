"""POST and GET /responses: schema, items, events, store."""
