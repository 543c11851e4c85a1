"""Lanes whose radar is Maxwell's equations: drawn ground and objects, fields stepped through them in a plane."""
