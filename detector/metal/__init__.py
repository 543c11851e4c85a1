"""The metal-detector chain, one file per stage, in the order the samples meet them."""
