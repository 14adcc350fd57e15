"""Any bar of any arm: what was shown, asked and answered, allowed, cut and traded, and what followed. The page's script
shows it; ``btllm trace`` tells the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from simulator.folder.record import Record
from simulator.reporting.blocks import Block, Heading, Paragraph, Scripted, on_page
from simulator.reporting.facts.fact import Facts
from simulator.reporting.inspector.inspector import inspector_data


def blocks(record: Record, facts: Facts) -> Iterator[Block]:
    """A place for the inspector and its data, on the page alone."""
    documents = inspector_data(record)
    if not documents:
        return
    yield on_page(
        Heading("Bar by bar", "inspector"),
        Paragraph("What was shown, asked and answered at any bar, what the gate made of it, and what followed."),
        Paragraph(
            "This part needs the script of this page, which does not run here. In the folder of the page "
            "`btllm trace . --at DATE --arm ARM` tells the same of any bar.",
            "unscripted",
        ),
        Scripted("inspector", documents),
    )
