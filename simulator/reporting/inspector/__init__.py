"""What the decision inspector of a page shows: every bar of every arm, and the words of as many as have room."""
