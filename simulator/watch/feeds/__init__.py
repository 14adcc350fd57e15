"""Kinds of feeds, each a file that holds a ``FeedKind`` (``simulator.watch.feed``)."""
