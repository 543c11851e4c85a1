"""Choosing a profile's numbers by what they bring on lanes with truth, and saying what they bring on others."""
