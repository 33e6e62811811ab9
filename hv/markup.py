"""SVG and HTML as text: elements with escaped attributes and contents."""

from html import escape


class Markup(str):
    """Text that is markup already; everything else is escaped."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | int | float) -> Markup:
    """Return an element.

    Args:
        name: of the element.
        children: text, escaped, or `Markup`, as it is.
        attributes: `_` stands for `-`, and one at the end for nothing (`class_`); floats have two decimals.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_number(value))}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{given}>{join(children)}</{name}>")


def join(parts: tuple[str, ...] | list[str]) -> Markup:
    """Return parts one after another; text among them is escaped."""
    return Markup("".join(part if isinstance(part, Markup) else escape(part) for part in parts))


def _number(value: str | int | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
