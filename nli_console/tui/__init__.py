"""The terminal interface: it reads run folders and sends requests, and owns no run."""
