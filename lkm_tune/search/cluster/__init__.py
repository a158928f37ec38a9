"""The nodes of a study: their resources, their files, and access to them."""
