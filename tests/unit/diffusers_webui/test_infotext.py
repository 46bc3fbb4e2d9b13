from diffusers_webui import infotext


def test_what_is_written_can_be_read():
    text = infotext.write(
        "a cat,\nsitting",
        "dog",
        {"Steps": 2, "Sampler": "Euler", "Size": "64x32", "Note": "a: b, c", "Gone": None, "Seed": 5},
    )
    prompt, last = text.rsplit("\n", 1)
    assert prompt == "a cat,\nsitting\nNegative prompt: dog"
    assert last == 'Steps: 2, Sampler: Euler, Size: 64x32, Note: "a: b, c", Seed: 5'
    read = infotext.read(text)
    assert read["Prompt"] == "a cat,\nsitting" and read["Negative prompt"] == "dog"
    assert (read["Size-1"], read["Size-2"], read["Seed"], read["Note"]) == ("64", "32", "5", "a: b, c")


def test_a_text_without_parameters_is_all_prompt():
    assert infotext.read("just words")["Prompt"] == "just words"
