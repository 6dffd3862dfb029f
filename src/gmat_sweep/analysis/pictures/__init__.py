"""Pictures of a sweep while it flies, as SVG within a page of Markdown."""
