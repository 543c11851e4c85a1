"""Other people's files. Each reader gives the samples as stored, with what the file says of them."""
