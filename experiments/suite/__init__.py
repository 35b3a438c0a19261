"""Composition, identity, store, records, planning, claims, statistics, rendering. Imports no torch."""
