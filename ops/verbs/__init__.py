"""One module a verb: each has `run(settings, arguments)`, which raises Failed if it cannot."""
