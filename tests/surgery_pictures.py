"""Draws what each pass of surgery does to a real export: its first recurrent layer before and after, as SVG.

    PYTHONPATH=workflow:tests python tests/surgery_pictures.py docs/images/surgery

Solid boxes are nodes that the pass removes, adds or changes, dashed ones their neighbours; weights are left out.
`tests/unit/test_surgery_pictures.py` holds the files in docs/ to what this draws.
"""

import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

import onnx
import onnx_graphsurgeon as gs

from crnn.model.pattern import integers
from crnn.model.surgery import PASSES
from networks import export_as_is, recipe_network, small_network

# The form of the network on which a pass has something to do: one nn.LSTM of both directions, or the recipe's two.
FORMS = {
    "fold_constants": "bidirectional",
    "drop_zero_states": "bidirectional",
    "split_bidirectional": "bidirectional",
    "reverse_direction": "recipe",
    "gemm_to_matmul": "recipe",
    "merge_squeezes": "recipe",
    "prune_unused": "recipe",
}
LAYER = "/rnn/rnn.0/"  # of the network, by the names of the exporter
STATES = {5: "initial_h", 6: "initial_c"}  # inputs of an LSTM that a picture names
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 118, 34, 14, 26, 16
STYLE = (
    "text{font:12px sans-serif;fill:#1b1b1b;text-anchor:middle}"
    ".small{font-size:10px;fill:#555}.title{font-weight:bold}"
    "rect{fill:#fff;stroke:#1b5e9b;stroke-width:1.5}.near{stroke:#999;stroke-dasharray:4 3}"
    ".page{fill:#fff;stroke:none}path{stroke:#555;fill:none}"
)


@dataclass(frozen=True)
class Drawn:
    """A node as a picture shows it: operator, a word on it, its sources (node, label), outputs that nothing reads."""

    op: str
    note: str
    sources: tuple[tuple[str, str], ...]
    unread: tuple[str, ...]

    def looks_like(self, other: "Drawn | None") -> bool:
        """Whether two nodes of one name are the same node with, at most, other neighbours."""
        if other is None:
            return False
        mine, others = ((each.op, each.note, len(each.sources), each.unread) for each in (self, other))
        return mine == others


Picture = dict[str, Drawn]


@cache
def exported(form: str) -> onnx.ModelProto:
    network = small_network()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.onnx"
        return export_as_is(network if form == "bidirectional" else recipe_network(network), path, 13)


def before_and_after(name: str) -> tuple[Picture, Picture]:
    """The graph that a pass finds behind those before it, and what it leaves."""
    graph = gs.import_onnx(exported(FORMS[name]))
    for each, operate in PASSES.items():
        before = picture(graph)
        operate(graph)
        graph.cleanup().toposort()
        if each == name:
            return before, picture(graph)
    raise KeyError(name)


def picture(graph: gs.Graph) -> Picture:
    return {node.name: drawn(node, graph) for node in graph.nodes}


def drawn(node: gs.Node, graph: gs.Graph) -> Drawn:
    label = STATES if node.op == "LSTM" else {}
    sources = [
        (tensor.inputs[0].name, label.get(position, "")) for position, tensor in enumerate(node.inputs) if tensor.inputs
    ]
    results = {id(tensor) for tensor in graph.outputs}
    unread = [
        ("Y", "Y_h", "Y_c")[position] if node.op == "LSTM" else "unread"
        for position, tensor in enumerate(node.outputs)
        if tensor.name and not tensor.outputs and id(tensor) not in results
    ]
    return Drawn(node.op, note(node), tuple(sources), tuple(unread))


def note(node: gs.Node) -> str:
    """What distinguishes a node from others of its operator."""
    if node.op == "LSTM":
        return str(node.attrs.get("direction", "forward"))
    if node.op == "Slice":
        steps = integers(node, 4, "steps")
        return f"step {steps[0]}" if steps else ""
    if node.op in {"Squeeze", "Unsqueeze"}:
        axes = integers(node, 1, "axes")
        return f"axis {axes[0]}" if axes else ""
    return f"axis {node.attrs['axis']}" if "axis" in node.attrs else ""


def region(these: Picture, others: Picture) -> tuple[set[str], set[str]]:
    """Nodes of the layer that differ between two pictures, and their neighbours in the first."""
    changed = {name for name, node in these.items() if name.startswith(LAYER) and not node.looks_like(others.get(name))}
    near = {source for name in changed for source, _ in these[name].sources}
    near |= {name for name, node in these.items() if changed & {source for source, _ in node.sources}}
    return changed, near - changed


def rows(nodes: Picture) -> list[list[str]]:
    """Names by row, each below its sources; what has none stands right above its first reader."""
    level: dict[str, int] = {}
    for name, node in nodes.items():  # sorted topologically
        level[name] = 1 + max((level[source] for source, _ in node.sources if source in level), default=-1)
    for name, node in nodes.items():
        readers = [level[other] for other, each in nodes.items() if name in {source for source, _ in each.sources}]
        if readers and not any(source in nodes for source, _ in node.sources):
            level[name] = min(readers) - 1
    return [[name for name in nodes if level[name] == row] for row in range(max(level.values(), default=-1) + 1)]


def places(nodes: Picture) -> dict[str, tuple[float, float]]:
    """Upper left corner of every box."""
    by_row = rows(nodes)
    widest = max((len(row) for row in by_row), default=0)
    found: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(by_row):

        def middle(name: str) -> float:
            above = [found[source][0] for source, _ in nodes[name].sources if source in found]
            return sum(above) / len(above) if above else 0

        start = (widest - len(row)) * (WIDTH + GAP_X) / 2
        for position, name in enumerate(sorted(row, key=middle)):
            found[name] = (start + position * (WIDTH + GAP_X), number * (HEIGHT + GAP_Y))
    return found


def panel(nodes: Picture, near: set[str], left: float) -> tuple[list[str], float, float]:
    """SVG elements of one side, and its width and height."""
    at = {name: (x + left, y + 2 * MARGIN + 8) for name, (x, y) in places(nodes).items()}
    parts = []
    for name, node in nodes.items():
        x, y = at[name]
        for source, label in node.sources:
            if source in at:
                sx, sy = at[source]
                parts.append(arrow(sx + WIDTH / 2, sy + HEIGHT, x + WIDTH / 2, y, label))
        for position, output in enumerate(node.unread):
            parts.append(stub(x + WIDTH * (position + 1) / (len(node.unread) + 1), y + HEIGHT, output))
    for name, node in nodes.items():
        parts += box(*at[name], node, name in near)
    width = max((x - left + WIDTH for x, _ in at.values()), default=WIDTH)
    return parts, width, max((y + HEIGHT for _, y in at.values()), default=0)


def arrow(x1: float, y1: float, x2: float, y2: float, label: str) -> str:
    line = f'<path d="M{x1:.0f} {y1:.0f}L{x2:.0f} {y2:.0f}" marker-end="url(#to)"/>'
    text = f'<text class="small" x="{(x1 + x2) / 2:.0f}" y="{(y1 + y2) / 2:.0f}">{escape(label)}</text>'
    return line + (text if label else "")


def stub(x: float, y: float, label: str) -> str:
    line = f'<path d="M{x:.0f} {y:.0f}v8"/>'
    return f'{line}<text class="small" x="{x:.0f}" y="{y + 18:.0f}">{escape(label)}</text>'


def box(x: float, y: float, node: Drawn, near: bool) -> list[str]:
    middle, kind = x + WIDTH / 2, ' class="near"' if near else ""
    parts = [f'<rect{kind} x="{x:.0f}" y="{y:.0f}" width="{WIDTH}" height="{HEIGHT}" rx="5"/>']
    parts.append(f'<text x="{middle:.0f}" y="{y + (15 if node.note else 21):.0f}">{escape(node.op)}</text>')
    if node.note:
        parts.append(f'<text class="small" x="{middle:.0f}" y="{y + 28:.0f}">{escape(node.note)}</text>')
    return parts


def draw(name: str) -> str:
    """The picture of a pass, as SVG text."""
    before, after = before_and_after(name)
    elements, left, height = [], float(MARGIN), 0.0
    for title, these, others in (("before", before, after), ("after", after, before)):
        changed, near = region(these, others)
        if title == "after":  # what stood around the change still does
            near |= {each for each in region(before, after)[1] | region(before, after)[0] if each in after} - changed
        nodes = {each: node for each, node in these.items() if each in changed | near}
        parts, width, bottom = panel(nodes, near, left)
        elements += [f'<text class="title" x="{left + width / 2:.0f}" y="{MARGIN + 8}">{title}</text>', *parts]
        left, height = left + width + 3 * MARGIN, max(height, bottom + 2 * MARGIN)
    size = f"{left - 2 * MARGIN:.0f} {height:.0f}"
    marker = '<marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    marker += '<path d="M0 0L8 4L0 8z" style="fill:#555;stroke:none"/></marker>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" width="{left - 2 * MARGIN:.0f}" role="img">'
    title = f"<title>{escape(name)}, before and after</title>"
    page = '<rect class="page" width="100%" height="100%"/>'
    return "\n".join([head, title, f"<style>{STYLE}</style><defs>{marker}</defs>", page, *elements, "</svg>\n"])


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in PASSES:
        (folder / f"{name}.svg").write_text(draw(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
