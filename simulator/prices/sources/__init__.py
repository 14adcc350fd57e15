"""Where prices come from, a file for each kind of source: whatever holds a ``Source`` here is one."""
