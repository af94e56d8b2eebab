"""Cells of CSV that a spreadsheet can open safely, and back. Pure."""

NEUTRALISED = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would run a cell that starts so."""


def neutral(cell: str) -> str:
    """The cell as text to a spreadsheet: an apostrophe stands before what would be run."""
    return f"'{cell}" if cell.startswith(NEUTRALISED) else cell


def meant(cell: str) -> str:
    """The cell without such an apostrophe, for files that have been through a spreadsheet."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(NEUTRALISED) else cell
