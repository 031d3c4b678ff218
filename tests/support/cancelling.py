"""Cancel many calls, half of them twice."""

import asyncio

from support.scripted_router import create_call

from orq_router_integrations import RouterClient


async def cancel_calls(client: RouterClient, seconds: float) -> None:
    """Start 200 calls, cancel them after a delay, and check that all of them end as cancelled."""
    tasks = [asyncio.create_task(client.asend(create_call())) for _ in range(200)]
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {asyncio.CancelledError}
