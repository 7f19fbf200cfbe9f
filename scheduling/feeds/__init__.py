"""/feeds/: calendars of visits for staff, without names, drugs or kinds of visit."""
