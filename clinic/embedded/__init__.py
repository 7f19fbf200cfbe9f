"""PostgreSQL, Redis and the supervisor behind `make demo` and `make test`: everything that lets one
machine run the whole system. These modules run before Django is configured, so they import nothing
of it."""
