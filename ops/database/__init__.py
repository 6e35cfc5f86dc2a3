"""The managed database and the move to it and back; the embedded database of `make run`."""
