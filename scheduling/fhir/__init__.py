"""FHIR R4, read only: the clinic's records as other health software reads them (docs/fhir.md).

The idea to know: mappers turn rows into plain dicts and know no request; a search parameter is a value that
knows how to narrow a queryset; one view answers for every kind of resource.
"""
