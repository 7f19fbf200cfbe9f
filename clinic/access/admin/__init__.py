from clinic.access.admin import people, service_tokens, sites

__all__ = ["people", "service_tokens", "sites"]
