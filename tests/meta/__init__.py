"""Tests of the house itself: what every module, route, document and container file must keep to."""
