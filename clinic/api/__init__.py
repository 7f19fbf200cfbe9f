"""What every endpoint shares: problem documents, pages, idempotency keys, ETags, sign-in, schema."""
