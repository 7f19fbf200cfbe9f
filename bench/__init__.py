"""What `make bench-…` runs: measurements as ratios in one run. Importing this sets Django up."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings.test")
os.environ.setdefault("LOG_LEVEL", "WARNING")
os.environ.setdefault("API_RATE", "1000000/min")
django.setup()
