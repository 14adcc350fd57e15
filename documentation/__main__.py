"""``python -m documentation FOLDER`` writes the tree that mkdocs builds the site of."""

import sys
from pathlib import Path

from documentation.tree import dead_links, write_tree

out = Path(sys.argv[1])
write_tree(out)
if dead := dead_links(out):
    sys.exit("Dead links:\n" + "\n".join(dead))
