"""Everything that only pre-training needs: token shards, batches, masks, the loop and its curves."""
