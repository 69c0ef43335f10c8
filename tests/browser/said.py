"""What a browser complained of."""

# A container's network came or went on this machine while the page was open: Chromium cuts off what is under way, and
# the page asks again. It says nothing of the page.
OF_THE_MACHINE = "net::ERR_NETWORK_CHANGED"


def of_the_page(said: list[str]) -> list[str]:
    """Of all that was said, what the page is to blame for."""
    return [words for words in said if OF_THE_MACHINE not in words]
