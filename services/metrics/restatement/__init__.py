"""How much closed periods moved since they closed, and which events moved them."""
