"""Lanes whose radar is Maxwell's equations: drawn ground and objects, and two-dimensional fields stepped through them."""
