"""The endpoints of the router that accept controls."""

from orq_router_integrations.wire import endpoints

ENDPOINTS = {
    endpoint.path: endpoint
    for endpoint in vars(endpoints).values()
    if isinstance(endpoint, endpoints.Endpoint)
    if endpoint.method == "POST" and not endpoint.below_root
}
"""The endpoints by path."""
