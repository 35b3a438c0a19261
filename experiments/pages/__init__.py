"""The report: static pages made of records, tables and contracts alone. Imports no torch, no wandb."""
