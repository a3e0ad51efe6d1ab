"""Markdown and a plot from a benchmark's results."""

from __future__ import annotations

from pathlib import Path

NAMES = {
    "m2fp": "m2fp",
    "m2fp-int16": "m2fp, int16",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "openvino-int8": "OpenVINO, int8",
    "onnxruntime-int8": "ONNX Runtime, int8",
    "modelscope": "ModelScope on Debian's torch",
    "modelscope-current": "ModelScope on PyPI's torch",
}

# Of m2fp-r101 at 512x512, mask features resized once a level: convolutions 121, linear layers 54,
# products of masks and attention 3.
COUNTED_GFLOP = 178


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return "unknown CPU"


def table(header: list[str], rows: list[list[str]]) -> str:
    line = lambda cells: "| " + " | ".join(cells) + " |"  # noqa: E731
    ruler = "|" + "|".join(["---"] + ["---:"] * (len(header) - 1)) + "|"
    return "\n".join([line(header), ruler, *map(line, rows)]) + "\n"


def measured_on(results: dict, *parts: str) -> str:
    """Where and when these parts were, each machine once."""
    machines: dict[str, list[str]] = {}
    for part in parts:
        if part in results and part in results.get("machines", {}):
            x = results["machines"][part]
            quick = ", the quick form" if x["quick"] else ""
            where = f"{x['cpus']} CPUs ({x['cpu']}), {x['date']}{quick}"
            machines.setdefault(where, []).append(f"{part} {x['busy']:.2f}")
    lines = [
        f"On {where}; CPUs that others used when it began: {', '.join(busy)}."
        for where, busy in machines.items()
    ]
    return "\n".join(lines) + ("\n\n" if lines else "")


def measured(network: dict) -> dict[str, str]:
    """The contenders that there are figures of, with their names."""
    return {key: name for key, name in NAMES.items() if key in network["1"]}


def processor(run: dict) -> float:
    """Seconds on one thread: of the processor, where they were taken, which others do not change."""
    return run.get("processor", run["seconds"])


def rivals_table(
    network: dict, throughput: dict | None, what: str, scale: float, digits: int
) -> str:
    """Each contender's time on one thread and on two; ratios to the first, which is ours."""
    unit = {1: "s", 1e3: "ms"}[scale]
    header = [what, f"1 thread, {unit}", "ratio", f"2 threads, {unit}", "ratio"]
    header += ["images/s, both cores", "ratio"] if throughput else []
    header += ["peak memory, MB"]
    names = measured(network)
    rows = []
    for key, name in names.items():
        row = [name]
        for threads, seconds_of in (("1", processor), ("2", lambda run: run["seconds"])):
            seconds = seconds_of(network[threads][key])
            ours = seconds_of(network[threads]["m2fp"])
            row += [f"{seconds * scale:.{digits}f}", f"{seconds / ours:.2f}"]
        if throughput:
            rate = throughput.get(key)
            digits_of_rate = 2 if scale == 1 else 1
            row += (
                [f"{rate:.{digits_of_rate}f}", f"{throughput['m2fp'] / rate:.2f}"]
                if rate
                else ["", ""]
            )
        row.append(f"{network['1'][key]['memory'] / 1e6:.0f}")
        rows.append(row)
    return table(header, rows)


def fastest_peer(network: dict) -> str:
    """How many times ours is as fast as the fastest peer on one thread."""
    one = {key: processor(network["1"][key]) for key in measured(network)}
    fastest = min(seconds for key, seconds in one.items() if not key.startswith("m2fp"))
    return (
        f"On one thread m2fp is {fastest / one['m2fp']:.2f} times as fast as the fastest peer, with"
        f" `--precision int16` {fastest / one['m2fp-int16']:.2f} times."
    )


def network_section(results: dict) -> str:
    network, throughput = results["network"], results.get("throughput")
    text = "## The network alone\n\n" + measured_on(results, "network", "throughput", "precision")
    text += rivals_table(network, throughput, "m2fp-r101, 512×512", 1, 2)
    text += (
        "\nRatio: how many times m2fp is faster, all but the second line in float32. Images/s: the"
        f" better of two processes of one thread and one of two. {fastest_peer(network)}\n"
    )
    if "precision" in results:
        text += "\n" + precision_table(results["precision"])
    rate = COUNTED_GFLOP / processor(network["1"]["m2fp"])
    text += (
        f"\nm2fp on one thread: {COUNTED_GFLOP} GFLOP, as a direct computation counts them, at"
        f" {rate:.0f} GFLOP/s. That is {rate / network['peak']:.0%} of the machine's kernel peak,"
        f" {network['peak']:.0f}: the better of a matrix product (OpenBLAS) and a convolution"
        " (oneDNN) in this run.\n"
    )
    return text


def tiny_section(results: dict) -> str:
    tiny = results["tiny"]
    text = "## m2fp-tiny\n\n" + measured_on(results, "tiny")
    text += "![Milliseconds an image](tiny.svg)\n\n"
    text += rivals_table(tiny, tiny["throughput"], "m2fp-tiny, 448×448", 1e3, 0)
    summary = tiny["folder"]
    text += (
        f"\n{fastest_peer(tiny)} The folder of JPEGs with both cores:"
        f" {summary['parsed'] / summary['seconds']:.1f} images/s.\n"
    )
    return text


def int8_section(results: dict) -> str:
    text = "## Integers\n\n" + measured_on(results, "int8")
    rows = []
    for model, run in results["int8"].items():
        ours = {threads: run[threads]["m2fp-int16"] for threads in ("1", "2")}
        for key, name in measured(run).items():
            agreement = run["agreement"].get(key)
            one, two = processor(run["1"][key]), run["2"][key]["seconds"]
            rows.append([
                f"{model}: {name}", f"{one * 1e3:.0f}", f"{one / processor(ours['1']):.2f}",
                f"{two * 1e3:.0f}", f"{two / ours['2']['seconds']:.2f}",
                f"{agreement['agreement']:.2%}" if agreement else "",
                f"{agreement['least']:.2%}" if agreement else "",
            ])  # fmt: skip
    header = ["network", "1 thread, ms", "ratio", "2 threads, ms", "ratio"]
    text += table([*header, "pixels that keep their class", "least of a photo"], rows)
    text += (
        "\nRatio: to m2fp's int16. Beside the labels of the same runtime in float32; half the photos"
        " calibrate the peers (NNCF for networks with attention; static, per channel), the others are"
        " compared. m2fp calibrates nothing.\n"
    )
    return text


def precision_table(precision: dict) -> str:
    """How far int16 gives the labels of float32."""
    rows = [
        [
            model, str(run["photos"]), f"{run['agreement']:.3%}", f"{run['least']:.2%}",
            f"{run['mean_iou']:.2%}",
        ]
        for model, run in precision.items()
    ]  # fmt: skip
    header = ["int16 beside float32", "photos", "pixels of the same class", "least of a photo"]
    return table([*header, "mIoU"], rows)


def profile_table(profile: str, peak: float | None) -> str:
    """``m2fp-bench profile``'s table with shares: of the whole time, and of the machine's peak.

    Parameters
    ----------
    profile : str
        Rows of operator, calls, milliseconds and GFLOP/s (empty where nobody counted); the last row
        sums up.
    peak : float or None
        The machine's kernel peak in GFLOP/s.
    """
    header, _, *rows = ([cell.strip() for cell in x.split("|")[1:-1]] for x in profile.splitlines())
    whole = float(rows[-1][2])
    for row in rows:
        share = f"{float(row[3]) / peak:.0%}" if row[3] and peak else ""
        row += [f"{float(row[2]) / whole:.1%}", share]
    return table([*header, "of the time", "of the peak"], rows)


def dense_section(results: dict) -> str:
    rows = []
    for name, run in results["dense"].items():
        peers = [processor(run[key]) for key in ("onnxruntime", "openvino")]
        ours = processor(run["m2fp"])
        row = [f"{name}, {run['size']}×{run['size']}", f"{ours:.2f}"]
        row += [f"{seconds:.2f}" for seconds in peers]
        row += [f"{min(peers) / ours:.2f}"]
        row += [f"{run[key]['memory'] / 1e6:.0f}" for key in ("m2fp", "onnxruntime", "openvino")]
        rows.append(row)
    header = ["1 thread, s", "m2fp", "ONNX Runtime", "OpenVINO", "ratio to the faster"]
    header += ["peak memory, MB: m2fp", "ONNX Runtime", "OpenVINO"]
    return "## Dense networks\n\n" + measured_on(results, "dense") + table(header, rows)


def folder_section(results: dict) -> str:
    folder = results["folder"]
    fastest = folder["m2fp, both cores"]["rate"]
    rows = []
    for name, run in folder.items():
        stages = run["stages"]
        post = f"{stages['merge'] * 1e3:.0f}" if stages.get("merge") else ""
        rows.append([
            name, str(run["images"]), f"{run['rate']:.2f}", f"{fastest / run['rate']:.2f}", post,
            f"{run['memory'] / 1e6:.0f}" if run["memory"] else "",
        ])  # fmt: skip
    header = ["JPEGs of 0.3 to 12 megapixels to PNGs", "photos", "images/s", "ratio"]
    header += ["postprocess, ms an image", "peak memory, MB"]
    text = "## Whole folder\n\n" + measured_on(results, "folder", "busy", "growth")
    text += table(header, rows)
    stages = folder["m2fp, one worker"]["stages"]
    parts = ", ".join(f"{name} {seconds * 1e3:.0f}" for name, seconds in stages.items())
    text += f"\nm2fp's stages on one worker, ms an image: {parts}."
    # Decoding, resizing, encoding and writing are other threads' work.
    seconds = folder["m2fp, one worker"]["seconds"]
    outside = 1 - stages["infer"] * folder["m2fp, one worker"]["images"] / seconds
    text += f" Of the wall time {outside:.1%} lies outside the network.\n"
    if "busy" in results:
        alone, beside = results["busy"]["alone"], results["busy"]["beside a busy process"]
        text += (
            f"\nBeside a process that keeps one core busy: {beside:.2f} images/s instead of"
            f" {alone:.2f} ({beside / alone:.0%}).\n"
        )
    if "growth" in results:
        growth = results["growth"]
        text += (
            f"\nResident after {growth['photos']} photos of as many sizes (m2fp-r101, one worker,"
            f" `--max-side 96`): at most {growth['last'] / 1e6:.0f} MB, after 50"
            f" {growth['image 50'] / 1e6:.0f} MB.\n"
        )
    return text


def plot(network: dict, title: str, scale: float, digits: int) -> str:
    """An SVG of bars: an image's time on one thread and on two."""
    bars = [
        (f"{name}, {threads}", seconds_of(network[threads][key]) * scale, key)
        for threads, seconds_of in (("1", processor), ("2", lambda run: run["seconds"]))
        for key, name in measured(network).items()
    ]
    longest = max(seconds for _, seconds, _ in bars)
    height = 30 * len(bars) + 60
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}"'
        ' font-family="sans-serif" font-size="14">',
        f'<rect width="760" height="{height}" fill="white"/>',
        f'<text x="16" y="26" font-size="16">{title}</text>',
    ]
    for index, (name, seconds, key) in enumerate(bars):
        y = 46 + 30 * index + (8 if index >= len(bars) // 2 else 0)
        width = 420 * seconds / longest
        colour = "#d9480f" if key.startswith("m2fp") else "#868e96"
        lines += [
            f'<text x="268" y="{y + 15}" text-anchor="end">{name}</text>',
            f'<rect x="276" y="{y}" width="{width:.0f}" height="20" fill="{colour}"/>',
            f'<text x="{282 + width:.0f}" y="{y + 15}">{seconds:.{digits}f}</text>',
        ]
    return "\n".join([*lines, "</svg>"]) + "\n"


def write(results: dict, folder: Path) -> None:
    """Write README.md, and the plots of what was measured."""
    text = (
        "# Benchmark\n\n`make bench`. Medians of runs that take turns; on one thread the processor's"
        " time, on more the clock's.\n\n"
    )
    if "network" in results:
        title = "Seconds an image (m2fp-r101, 512×512), by threads"
        (folder / "network.svg").write_text(plot(results["network"], title, 1, 2))
        text += "![Seconds an image](network.svg)\n\n" + network_section(results) + "\n"
    if "tiny" in results:
        title = "Milliseconds an image (m2fp-tiny, 448×448), by threads"
        (folder / "tiny.svg").write_text(plot(results["tiny"], title, 1e3, 0))
        text += tiny_section(results) + "\n"
    if "int8" in results:
        text += int8_section(results) + "\n"
    if "profile" in results:
        text += "## Where the network's time goes\n\n" + measured_on(results, "profile")
        text += (
            "m2fp-r101, 512×512, one thread, processor time; rates as a direct computation counts.\n\n"
            f"{profile_table(results['profile'], results.get('network', {}).get('peak'))}\n"
        )
    if "dense" in results:
        text += dense_section(results) + "\n"
    if "folder" in results:
        text += folder_section(results) + "\n"
    if "stages" in results:
        text += "## The stages round the network\n\n" + measured_on(results, "stages")
        text += results["stages"] + "\n"
    if "startup" in results:
        rows = [[name, f"{seconds:.2f}"] for name, seconds in results["startup"].items()]
        text += "## From the command to its first result\n\n" + measured_on(results, "startup")
        text += table(["warm caches", "s"], rows) + "\n"
    notes = folder / "notes.md"
    if notes.exists():
        text += notes.read_text()
    (folder / "README.md").write_text(text)
