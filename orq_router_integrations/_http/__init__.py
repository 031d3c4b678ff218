"""How a request travels to the router and its response comes back."""
