r"""SPICE text kernels without their commentary.

GMAT unloads and loads its text kernels again for every run. SPICE reads them character by
character, and most characters of the planetary constants kernel are prose. SPICE takes from a text
kernel only the lines between ``\begindata`` and ``\begintext`` (NAIF, Kernel Required Reading,
"Text Kernel Specifications"), so a copy of those lines is the same kernel and is read faster.
"""

from __future__ import annotations

__all__ = ["TEXT_KERNELS", "condensed"]

TEXT_KERNELS = ("PLANETARY_PCK_FILE", "LSK_FILE", "LUNA_FRAME_KERNEL_FILE")
"""Keys of GMAT's startup file that name text kernels."""

_BEGIN_DATA = b"\\begindata"
_BEGIN_TEXT = b"\\begintext"


def condensed(kernel: bytes) -> bytes:
    """Return a text kernel's identification word and data, without the text around them.

    Lines of data keep their order and content. Blank lines, and blanks at either end, are dropped.

    Parameters
    ----------
    kernel : bytes
        A SPICE text kernel, such as ``pck00010.tpc``.

    Returns
    -------
    bytes
        A text kernel that puts the same variables in SPICE's kernel pool.
    """
    lines = [line.strip() for line in kernel.splitlines()]
    kept = []
    if lines and lines[0].startswith(b"KPL/"):
        kept.append(lines[0])
    kept.append(_BEGIN_DATA)
    in_data = False
    for line in lines:
        if line in (_BEGIN_DATA, _BEGIN_TEXT):
            in_data = line == _BEGIN_DATA
        elif in_data and line:
            kept.append(line)
    kept.append(_BEGIN_TEXT)
    return b"\n".join(kept) + b"\n"
