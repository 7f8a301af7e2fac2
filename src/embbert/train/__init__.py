"""Training: batches, the loop, fine-tuning. Needs the train extra, except for `train.metrics`' signatures."""
