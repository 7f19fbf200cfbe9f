"""From rows to FHIR's JSON: pure functions, one module per kind of resource."""
