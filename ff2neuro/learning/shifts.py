"""Random shifts of training images: which axes of an image are its rows and columns, and how far they move."""

from dataclasses import dataclass

__all__ = ["ImageGrid", "image_grid", "shift_margins", "shift_note"]

#: Channels that an image may have at most: red, green, blue and opacity.
MAX_CHANNELS = 4


@dataclass(frozen=True)
class ImageGrid:
    """Where rows and columns lie in an image.

    Attributes
    ----------
    planes : int
        Channels before the rows, as in PyTorch; 1 if there are none.
    rows, columns : int
        Height and width [pixels].
    channels : int
        Channels after the columns, as in image files; 1 if there are none.
    """

    planes: int
    rows: int
    columns: int
    channels: int


def image_grid(image_shape: tuple[int, ...]) -> ImageGrid | None:
    """Tell rows and columns of an image from its channels.

    Parameters
    ----------
    image_shape : tuple of int
        (height, width), (height, width, channels) or (channels, height, width).

    Returns
    -------
    ImageGrid or None
        None if such an image has no rows and columns, or more than 4 channels, which may then be anything.
    """
    if len(image_shape) == 2:
        return ImageGrid(1, *image_shape, 1)
    if len(image_shape) == 3 and image_shape[2] <= MAX_CHANNELS:
        return ImageGrid(1, *image_shape)
    if len(image_shape) == 3 and image_shape[0] <= MAX_CHANNELS:
        return ImageGrid(*image_shape, 1)
    return None


def shift_margins(image_shape: tuple[int, ...], max_shift: float) -> tuple[int, int]:
    """Return how far images are shifted at most.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of an image.
    max_shift : float
        Share of its height and width.

    Returns
    -------
    tuple of int
        Up or down, and left or right [pixels]; zeros for images without rows and columns.
    """
    grid = image_grid(image_shape)
    return (round(max_shift * grid.rows), round(max_shift * grid.columns)) if grid else (0, 0)


def shift_note(image_shape: tuple[int, ...], max_shift: float) -> str | None:
    """Say so if shifts were asked for that images do not allow.

    Parameters
    ----------
    image_shape : tuple of int
        Shape of an image.
    max_shift : float
        Share of its height and width.

    Returns
    -------
    str or None
        What to tell the user; None if there is nothing to tell.
    """
    if not max_shift or image_grid(image_shape) is not None:
        return None
    shape = "x".join(map(str, image_shape))
    return (
        f"max_shift is {max_shift:g}, but images of shape {shape} have no rows and columns to be shifted along: they "
        "are presented as they are; store images as (image, height, width) or (image, height, width, channel)"
    )
