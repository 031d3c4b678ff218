"""The load balancer's choice of a model.

How the real router measures latency is unknown. Here ``latency_based`` picks the model whose last
logged call was fastest; a model that was never called counts as fastest, and ties go to the first.
"""

import random
from collections import Counter
from collections.abc import Sequence

from orq_router_integrations.testing.routing.request_log import ProviderCall
from orq_router_integrations.wire.controls import LoadBalancer


class LoadBalancerState:
    """Picks one model per request.

    Args:
        seed: seed of the weighted random picks.
        log: log of provider calls, which grows over time.
    """

    def __init__(self, *, seed: int, log: Sequence[ProviderCall]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - picks must be reproducible
        self._log = log
        self._turns: Counter[tuple[str, ...]] = Counter()

    def pick(self, balancer: LoadBalancer) -> str:
        """Return the model to call first."""
        models = tuple(item.model for item in balancer.models)
        match balancer.type:
            case "round_robin":
                turn = self._turns[models]
                self._turns[models] += 1
                return models[turn % len(models)]
            case "latency_based":
                last_seconds = {call.model: call.seconds for call in self._log}
                return min(models, key=lambda model: last_seconds.get(model, 0.0))
        weights = [item.weight for item in balancer.models]  # choices() normalizes them
        return self._random.choices(models, weights)[0]
