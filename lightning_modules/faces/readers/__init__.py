"""Readers of annotated photos, one format a file; all give a list of ``Annotation``."""
