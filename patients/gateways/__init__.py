"""Ways out of the house: e-mail and text messages, behind one small contract (base.Gateway)."""
