"""Bodies that are masked as a whole, by what kind of body they are."""
