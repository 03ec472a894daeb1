"""The intermediate representation: types, graphs, analysis, verifier, printer. Needs NumPy alone."""

from kerasflow.graph.analysis import all_nodes, last_uses, needed, users
from kerasflow.graph.graph import Constant, Graph, Node, Primitive, Value, evaluate, evaluate_node, infer
from kerasflow.graph.location import locate
from kerasflow.graph.measurement import Measurement
from kerasflow.graph.naming import identifier, literal, plain, printable, unique
from kerasflow.graph.printer import format_graph, format_origins, format_params, split_scope
from kerasflow.graph.size import Size
from kerasflow.graph.types import ShapedArray, check_inputs, shaped
from kerasflow.graph.verify import verify

__all__ = [
    "Constant",
    "Graph",
    "Measurement",
    "Node",
    "Primitive",
    "ShapedArray",
    "Size",
    "Value",
    "all_nodes",
    "check_inputs",
    "evaluate",
    "evaluate_node",
    "format_graph",
    "format_origins",
    "format_params",
    "identifier",
    "infer",
    "last_uses",
    "literal",
    "locate",
    "needed",
    "plain",
    "printable",
    "shaped",
    "split_scope",
    "unique",
    "users",
    "verify",
]
