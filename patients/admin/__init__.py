from patients.admin import catalogue, importing, messages, patients, work_items

__all__ = ["catalogue", "importing", "messages", "patients", "work_items"]
