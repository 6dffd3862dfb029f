"""Compare one night with another: which numbers moved, and which input changed with them."""
