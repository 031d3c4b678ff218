"""The parts of the router that all endpoints share: parsing, checks, routing, faults and logs."""
