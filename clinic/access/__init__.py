"""Who works here and what they may see and do, per site."""
