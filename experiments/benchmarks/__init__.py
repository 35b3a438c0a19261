"""What `make bench` measures, one kind a file. Each side of a comparison is timed in turn, round by round."""
