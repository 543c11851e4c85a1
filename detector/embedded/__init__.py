"""What of a tuned chain fits a microcontroller: its linear filters as cascades, in fixed point with proven bounds."""
