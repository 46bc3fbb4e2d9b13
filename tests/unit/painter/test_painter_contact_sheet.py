"""A sheet shows every picture over its caption."""

import numpy as np
from PIL import Image

from painter.contact_sheet import RED, Style, contact_sheet


def test_a_sheet_holds_every_picture_in_its_place():
    style = Style(columns=2, side_px=20, gap_px=4)
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    sheet = np.asarray(contact_sheet([Image.new("RGB", (64, 64), c) for c in colors], ["a", "b", "c"], style))
    cell_height = 20 + 2 * 18 + 4 + 8
    assert tuple(sheet[10, 10]) == colors[0] and tuple(sheet[10, 34]) == colors[1]
    assert tuple(sheet[10 + cell_height, 10]) == colors[2]


def test_only_captions_of_wrong_pictures_are_red():
    pictures = [Image.new("RGB", (8, 8), (255, 255, 255))] * 2
    sheet = np.asarray(contact_sheet(pictures, ["right", "wrong"], Style(columns=2), [False, True]))
    is_red = (sheet == RED).all(2)
    middle = sheet.shape[1] // 2
    assert is_red[:, middle:].any() and not is_red[:, :middle].any()
