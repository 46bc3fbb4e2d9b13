"""A sheet of labelled pictures."""

import textwrap
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

PAPER, INK, RED = (255, 255, 255), (40, 44, 52), (190, 30, 30)


@dataclass(frozen=True)
class Style:
    """How a sheet is laid out, in px."""

    columns: int = 5
    side_px: int = 256  #: of a picture
    gap_px: int = 16
    font_px: int = 14
    caption_lines: int = 2


def contact_sheet(
    pictures: list[Image.Image],
    captions: list[str],
    style: Style = Style(),
    is_wrong: list[bool] | None = None,
) -> Image.Image:
    """The pictures in rows, each over its caption; captions of wrong ones in red."""
    rows = -(-len(pictures) // style.columns)
    line_px = style.font_px + 4
    cell_width = style.side_px + style.gap_px
    cell_height = style.side_px + style.caption_lines * line_px + style.gap_px + 8
    size = (style.gap_px + style.columns * cell_width, style.gap_px + rows * cell_height)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(style.font_px)
    letters = int(style.side_px / (style.font_px * 0.495))
    for i, (picture, caption) in enumerate(zip(pictures, captions, strict=True)):
        x = style.gap_px + i % style.columns * cell_width
        y = style.gap_px + i // style.columns * cell_height
        sheet.paste(picture.resize((style.side_px, style.side_px), Image.Resampling.LANCZOS), (x, y))
        ink = RED if is_wrong and is_wrong[i] else INK
        for number, line in enumerate(textwrap.wrap(caption, letters)):
            pen.text((x, y + style.side_px + 6 + number * line_px), line, fill=ink, font=font)
    return sheet
