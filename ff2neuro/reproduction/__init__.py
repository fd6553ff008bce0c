"""The experiments of arXiv 2406.16479, repeated: published and measured figures side by side."""
