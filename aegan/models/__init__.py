"""What is trained: networks, priors, and the declaration of each model."""
