"""The bench engineer's scope: what a head's samples look like now, and its parameters to turn."""
