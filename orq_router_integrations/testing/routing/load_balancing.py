"""The load balancer's pick (contract section 4.4).

How the real router measures is unknown. Here ``latency_based`` takes the model whose last call in
the log was quickest; a model never asked counts as quickest, and of equals the first is taken.
"""

import random
from collections import Counter
from collections.abc import Sequence

from orq_router_integrations.testing.routing.request_log import ProviderCall
from orq_router_integrations.wire.controls import LoadBalancer


class LoadBalancerState:
    """Picks one model per request; remembers whose turn it is.

    Args:
        seed: of the picks by weight.
        log: what each provider was asked; grows while it is used.
    """

    def __init__(self, *, seed: int, log: Sequence[ProviderCall]) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - picks must repeat
        self._log = log
        self._turns: Counter[tuple[str, ...]] = Counter()

    def pick(self, balancer: LoadBalancer) -> str:
        """The model to ask first."""
        models = tuple(item.model for item in balancer.models)
        match balancer.type:
            case "round_robin":
                turn = self._turns[models]
                self._turns[models] += 1
                return models[turn % len(models)]
            case "latency_based":
                last = {call.model: call.seconds for call in self._log}
                return min(models, key=lambda model: last.get(model, 0.0))
        weights = [item.weight for item in balancer.models]  # normalised by the choice
        return self._chance.choices(models, weights)[0]
