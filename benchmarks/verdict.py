"""What a verdict costs beyond the simulation: seconds and memory for all figures and the report.

The recording is made without a simulation: counts are the analog activity, rounded, with a spike added or lost here
and there. Seconds are those of the processor over all cores, and those of the clock.

    python benchmarks/verdict.py --images 10000 --layers 1000,1000,1000 --out verdict-cost.json
"""

import json
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from ff2neuro.coding import encode
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.files import write_text
from ff2neuro.inputs import InputSource
from ff2neuro.networks import AnalogNetwork, GoodnessHead, SpikingNetwork, one_hot_label_codes
from ff2neuro.recording import Recording, RecordingHeader, RecordingWriter
from ff2neuro.validation import Thresholds, Verdict, validate
from ff2neuro.validation.neutral import neutral_source
from ff2neuro.validation.report import gather, render_html
from ff2neuro.validation.subsamples import MAX_NEUTRAL_IMAGES, spread

Array = npt.NDArray[Any]

N_CLASSES = 10
IMAGE_SHAPE = (28, 28)
CHUNK = 50


def make_case(widths: tuple[int, ...], n_images: int, n_time_steps: int) -> tuple[AnalogNetwork, SpikingNetwork, Array]:
    """Draw a network and images that are as sparse as digits are."""
    rng = np.random.default_rng(1)
    n_in = IMAGE_SHAPE[0] * IMAGE_SHAPE[1] + N_CLASSES
    weights = []
    for width in widths:
        weights.append(rng.normal(0, 1 / np.sqrt(n_in), size=(width, n_in)))
        n_in = width
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=tuple(range(len(widths))))
    analog = AnalogNetwork(tuple(weights), one_hot_label_codes(N_CLASSES, strength=4.0), head, IMAGE_SHAPE)
    images = rng.random((n_images, IMAGE_SHAPE[0] * IMAGE_SHAPE[1]), dtype=np.float32)
    images *= rng.random(images.shape, dtype=np.float32) < 0.2
    return analog, convert(analog, images[:50], ConversionConfig(n_time_steps=n_time_steps)), images


def record(
    spiking: SpikingNetwork, source: InputSource, latents: Callable[[int, int], list[Array]], path: Path
) -> None:
    """Write what a machine might have recorded."""
    rng = np.random.default_rng(2)
    layers = {f"layer_{index}_spikes": layer.n_neurons for index, layer in enumerate(spiking.layers)}
    sizes = source.n_images, source.n_hypotheses, spiking.n_time_steps
    header = RecordingHeader(layers, *sizes, "counts", "synthetic", "1", "fixed", spiking.dt)
    with RecordingWriter(header, path) as writer:
        for start, events in source.chunks(CHUNK):
            writer.write_inputs(start, events)
            spikes = {}
            for name, layer, latent in zip(layers, spiking.layers, latents(start, start + len(events)), strict=True):
                slips = rng.integers(-1, 2, latent.shape, dtype=np.int8) * (latent > 0)
                spikes[name] = np.clip(np.rint(latent / layer.gain) + slips, 0, spiking.n_time_steps).astype(np.uint16)
            writer.write(start, spikes)


@contextmanager
def measured(costs: dict[str, Any], name: str) -> Iterator[None]:
    """Note the seconds of a block, and the memory of the process after it."""
    before, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    yield
    after = resource.getrusage(resource.RUSAGE_SELF)
    costs[name] = {
        "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall_seconds": time.perf_counter() - clock,
        "peak_memory_gb": after.ru_maxrss / 2**20,
    }


def judge(widths: tuple[int, ...], n_images: int, n_time_steps: int) -> dict[str, Any]:
    """Judge one case and return what each part costs."""
    costs: dict[str, Any] = {}
    analog, spiking, images = make_case(widths, n_images, n_time_steps)
    labels = np.arange(n_images) % N_CLASSES
    with TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in ("labels.h5", "neutral.h5")]
        chosen = images[spread(n_images, MAX_NEUTRAL_IMAGES)]
        mean = analog.label_codes.values.mean(axis=0, keepdims=True)
        source = encode(spiking.input_code, images, n_time_steps)
        with measured(costs, "making the recording"):
            record(spiking, source, lambda start, stop: analog.latents(images[start:stop]), paths[0])
            neutral = neutral_source(spiking, images)
            record(spiking, neutral, lambda start, stop: analog.latents(chosen[start:stop], mean), paths[1])
        with Recording.open(paths[0]) as recording, Recording.open(paths[1]) as under_neutral:
            parts = analog, spiking, recording, images, labels
            with measured(costs, "all figures"):
                verdict: Verdict = validate(*parts, Thresholds(), under_neutral)
            with measured(costs, "report"):
                page = render_html(verdict, gather(verdict, *parts))
    costs["report"]["megabytes"] = len(page) / 1e6
    return costs


@click.command()
@click.option("--images", type=int, default=10_000, show_default=True, help="Number of images.")
@click.option("--layers", default="1000,1000,1000", show_default=True, help="Widths of the layers.")
@click.option("--steps", type=int, default=16, show_default=True, help="Time steps of a presentation.")
@click.option("--out", type=click.Path(path_type=Path), help="JSON file to write.")
def main(images: int, layers: str, steps: int, out: Path | None) -> None:
    """Print the table and write the JSON file."""
    costs = judge(tuple(int(width) for width in layers.split(",")), images, steps)
    click.echo(f"{images} images, layers {layers}, {steps} steps: CPU seconds, wall seconds, peak memory so far [GB]")
    for name, cost in costs.items():
        click.echo(f"  {name:<22} {cost['cpu_seconds']:8.1f} {cost['wall_seconds']:8.1f} {cost['peak_memory_gb']:8.2f}")
    if out is not None:
        write_text(
            out, json.dumps({"images": images, "layers": layers, "steps": steps, "costs": costs}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
