"""Things whose answer is known: planted metamers, complete enumerations, pairs of graphs."""
