"""Charts of a page: what is drawn, on which scales, and how it is written as SVG."""
