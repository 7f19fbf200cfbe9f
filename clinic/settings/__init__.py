"""Configuration: base is production and secure by default; demo and test loosen it, visibly."""
