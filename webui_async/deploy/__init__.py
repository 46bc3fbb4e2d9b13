"""From what an endpoint is to be to what AWS is told: spec, plan, apply."""
