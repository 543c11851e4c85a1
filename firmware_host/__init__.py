"""The machine's side of groundsweep: ports, wire, heads and people. Imports detector, never the reverse."""
