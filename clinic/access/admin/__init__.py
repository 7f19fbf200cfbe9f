from clinic.access.admin import people, sites

__all__ = ["people", "sites"]
