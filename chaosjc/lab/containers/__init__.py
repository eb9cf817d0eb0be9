"""The container images of the lab's nodes, made without a registry: file trees, the images' table, their archive."""
