"""Time: resources, visit types, availability, booking, prescriptions with their check-ins."""
