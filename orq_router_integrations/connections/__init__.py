"""How calls travel: over connections of ours, or over an httpx client."""
