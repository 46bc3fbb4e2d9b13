"""The words landscapes are told with."""

TIME_WORDS = {
    "dawn": ["at dawn", "at sunrise", "in the early morning", "at daybreak"],
    "noon": [
        "at noon",
        "on a sunny day",
        "in daylight",
        "during the day",
        "under a clear blue sky",
        "in the afternoon",
    ],
    "sunset": ["at sunset", "at sunset", "at sundown", "in the evening", "at golden hour"],
    "dusk": ["at dusk", "at twilight"],
    "night": [
        "at night",
        "at night",
        "at midnight",
        "under a starry sky",
        "under the stars",
        "in the moonlight",
    ],
    "cloudy": ["on a cloudy day", "under a gray sky", "on an overcast day", "in stormy weather"],
}
TIME_TAGS = {
    "dawn": ["dawn", "sunrise", "morning"],
    "noon": ["noon", "day", "daytime", "sunny", "clear sky"],
    "sunset": ["sunset", "evening", "golden hour"],
    "dusk": ["dusk", "twilight"],
    "night": ["night", "starry night", "night sky", "stars"],
    "cloudy": ["cloudy", "overcast", "gray sky"],
}
PLACE_WORDS = {
    "left": ["on the left", "on the left side"],
    "middle": ["in the middle", "in the center", "in the centre"],
    "right": ["on the right", "on the right side"],
}
GROUND_WORDS = {
    "sea": ["the sea", "the ocean", "the water", "calm sea", "the waves"],
    "lake": ["a lake", "a calm lake", "a blue lake"],
    "desert": ["the desert", "a desert", "sand dunes", "desert dunes"],
    "meadow": ["a meadow", "a green meadow", "a field", "a grassy field", "a field of flowers"],
    "forest": ["a forest", "a pine forest", "the woods", "a green forest"],
    "snow": ["the snow", "a snowy field", "a winter landscape", "snow"],
    "beach": ["a beach", "the beach", "a sandy beach"],
    "hills": ["green hills", "rolling hills", "the hills"],
    "city": ["a city", "the city", "a city skyline", "skyscrapers", "a town"],
}
#: between a thing and the ground it stands on
PREPOSITIONS = {
    "sea": ["by", "near", "over"],
    "lake": ["by", "near", "at"],
    "desert": ["in"],
    "meadow": ["in", "on"],
    "forest": ["in"],
    "snow": ["in"],
    "beach": ["on", "at"],
    "hills": ["on", "in"],
    "city": ["in", "near"],
}
#: between a thing in the air and what is under it
OVER = {
    "balloon": ["over", "above", "flying over", "floating over"],
    "rocket": ["over", "flying over", "above"],
}
