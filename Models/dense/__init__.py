"""Networks that give each place the logits of all classes, as others publish weights for them."""
