"""Files for other programs, written from a recording of ours or from another program's file."""
