"""Reading of an optimized TPU program: what its outermost loops move through main memory."""

import math
import re

BYTES = {"f32": 4, "s32": 4, "u32": 4, "pred": 1, "bf16": 2, "u8": 1, "s8": 1, "f16": 2}
ARRAY = re.compile(rf"({'|'.join(BYTES)})\[([\d,]*)\](?:\{{([\d,]*)(?::([^}}]*))?\}})?")
INSTRUCTION = re.compile(r"\s*(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)")
# Instructions that move nothing by themselves.
STILL = {"parameter", "get-tuple-element", "tuple", "constant", "bitcast", "while"}


def array_bytes(text):
    """Bytes of each array that is named, as its tiles are padded; None for what is on the chip."""
    sizes = []
    for dtype, shape, order, tail in ARRAY.findall(text):
        axes = [int(size) for size in shape.split(",") if size]
        minor = [axes[int(axis)] for axis in order.split(",") if axis] or axes
        if (tile := re.match(r"T\((\d+),(\d+)\)", tail)) and len(minor) > 1:
            for place, width in enumerate((int(tile[2]), int(tile[1]))):
                minor[place] = -(-minor[place] // width) * width
        sizes.append(None if "S(1)" in tail else BYTES[dtype] * math.prod(minor))
    return sizes


def computations(text):
    """Name of a computation -> its lines."""
    found, name = {}, None
    for line in text.split("\n"):
        if head := re.match(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = head[1]
            found[name] = []
        elif line.startswith("}"):
            name = None
        elif name:
            found[name].append(line)
    return found


def bodies(text):
    """Names of the computations that loops repeat."""
    return set(re.findall(r"body=%?([\w.\-]+)", text))


def moved(lines):
    """Bytes of main memory that a computation reads and writes, loops within left out."""
    sizes, total = {}, 0
    for line in lines:
        if not (parts := INSTRUCTION.match(line)):
            continue
        name, shape, kind, rest = parts.groups()
        own = array_bytes(shape)
        sizes[name] = sum(size or 0 for size in own)
        if kind in STILL or kind.endswith("-done"):
            continue
        if kind == "copy-start":  # from here to there, of which one may be the chip
            total += sum(size or 0 for size in own[:2])
            continue
        if kind == "slice-start":
            part = array_bytes(shape.replace("S(1)", ""))[1]
            total += part if own[1] is None else 2 * part
            continue
        operands = re.findall(r"%([\w.\-]+)", rest.split("metadata")[0].split(", calls=")[0])
        total += sizes[name] + sum(sizes.get(operand, 0) for operand in operands)
    return total


def outermost(text):
    """Names of the loops that are not within another."""
    every, loops = computations(text), bodies(text)
    inner = {
        other
        for name in loops
        for line in every[name]
        for other in re.findall(r"body=%?([\w.\-]+)", line)
    }
    return loops - inner


def loop_bytes(text):
    """Bytes of main memory that one round of the largest outermost loop moves."""
    every = computations(text)
    return max((moved(every[name]) for name in outermost(text)), default=0)


def num_inner_loops(text):
    """How many loops stand within another: what a TPU does one after the other."""
    return len(bodies(text)) - len(outermost(text))


def num_collectives(text):
    """How many instructions wait for another device."""
    kinds = "all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute"
    return len(re.findall(rf"= \S+ (?:{kinds})(?:-start)?\(", text))
