"""What the router does with any endpoint: doors, checks, routing, faults, records."""
