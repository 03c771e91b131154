"""Pictures as SVG text: for pages, notebooks and files alike.

Colours come from the style sheet around them, by class; `svg.standalone` brings its own. All text
is escaped, and equal arguments give equal bytes.
"""
