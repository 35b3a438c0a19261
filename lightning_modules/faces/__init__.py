"""Faces with landmarks: rendered ones, readers of annotated photos, and what the points of a markup mean."""
