"""How well a model parses: metrics, and the annotated real photos they are taken on."""
