"""Steps by gradients: each objective's own, over the parameters or the representation, weighed and joined."""
