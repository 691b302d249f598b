"""Words of messages."""


def counted(number, noun):
    """Return a number with its noun, in the plural unless it is one: "1 image", "2,000 images"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
