"""Structure metamers: other edges that the network cannot tell apart."""
