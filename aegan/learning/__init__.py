"""How a model learns: its steps on a batch, over an epoch, for one lane."""
