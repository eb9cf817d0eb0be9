"""The Kubernetes programs of the lab's nodes: which they are, and how they are downloaded or built."""
