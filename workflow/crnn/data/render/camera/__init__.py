"""How a painted word is seen: geometry, exposure, and whether anybody could read it."""
