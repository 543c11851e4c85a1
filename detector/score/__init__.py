"""How good it was: halo matching, POD, false alarms, and how sure these figures are."""
