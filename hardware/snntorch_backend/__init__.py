"""snnTorch's own NIR reader as a machine."""
