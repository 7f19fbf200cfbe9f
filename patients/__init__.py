"""The person: identity, contact, consent, background, what needs a human, and how we reach them."""
