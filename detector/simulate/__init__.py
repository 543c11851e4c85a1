"""Physics of heads, targets, soils and noise: test signals with known truth."""
