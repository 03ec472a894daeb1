"""The intermediate representation: what all others speak of.

Tracing makes graphs, autodiff and passes make graphs of graphs, backends and exported files are made of graphs. Here
is what a graph is (`types`, `graph`), its reference meaning (`evaluate`), what can be asked of it (`analysis`), its
check (`verify`) and its listing (`printer`); and the functions for a model's strings in what is made of it
(`naming`). It knows NumPy and nothing else of ours. Open `graph` first.
"""

from kerasflow.graph.analysis import all_nodes, last_uses, needed, users
from kerasflow.graph.graph import Constant, Graph, Node, Primitive, Value, evaluate, evaluate_node, infer
from kerasflow.graph.host import HostCall, kind
from kerasflow.graph.location import Origin, gradient_scope, locate
from kerasflow.graph.measurement import Measurement
from kerasflow.graph.naming import endings, identifier, literal, plain, printable, unique
from kerasflow.graph.printer import format_graph, format_origins, format_params, split_scope
from kerasflow.graph.size import Size
from kerasflow.graph.types import ShapedArray, check_inputs, is_text, shaped
from kerasflow.graph.verify import verify

__all__ = [
    "Constant",
    "Graph",
    "HostCall",
    "Measurement",
    "Node",
    "Origin",
    "Primitive",
    "ShapedArray",
    "Size",
    "Value",
    "all_nodes",
    "check_inputs",
    "endings",
    "evaluate",
    "evaluate_node",
    "format_graph",
    "format_origins",
    "format_params",
    "gradient_scope",
    "identifier",
    "infer",
    "is_text",
    "kind",
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
