"""The project and the ground floor: how Onset is configured, run and guarded."""
