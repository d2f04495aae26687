"""What a fusion file says and what a component declares: all that a plugin author imports."""

from pluggy import HookimplMarker
from pydantic import Field

from consilience.declare._balancer import Balancer, GradientBalancer, Sees
from consilience.declare._component import Component, Use, upstream
from consilience.declare._deprecated import ConsilienceDeprecationWarning, Deprecation, deprecated
from consilience.declare._dim import Dim, Size
from consilience.declare._fault import Fault, UnfitFaultError
from consilience.declare._fields import FIELD_TYPES, FieldType
from consilience.declare._fusion import SECTIONS, Draft, Fusion
from consilience.declare._kinds import Checkpoint, Input, Loss, Metric, Module, Resource, Source, Tuner
from consilience.declare._labels import LabelSpace, Relation
from consilience.declare._location import Location
from consilience.declare._mixing import Mixing
from consilience.declare._nodes import (
    ColumnMap,
    InputNode,
    LossNode,
    MetricNode,
    ModuleNode,
    Node,
    Objective,
    ResourceNode,
    SourceNode,
)
from consilience.declare._paste import paste
from consilience.declare._ports import (
    Bool,
    Dtype,
    Float,
    Int,
    Labels,
    Many,
    Number,
    Port,
    Ports,
    Range,
    Text,
)
from consilience.declare._salvage import salvage
from consilience.declare._schedule import Schedule
from consilience.declare._shapes import Shapes
from consilience.declare._solved import Dims, UnknownDimError, Unsolved
from consilience.declare._training import TrainingKeys, TrainSettings
from consilience.declare._validation import diagnostics_of, show
from consilience.errors import DataError, DeclarationError, Diagnostic, Part, Place, Related, Severity, nearest

hookimpl = HookimplMarker("consilience")
"""Marks a plugin's function as the implementation of the hook of its name."""

__all__ = [
    "FIELD_TYPES",
    "SECTIONS",
    "Balancer",
    "Bool",
    "Checkpoint",
    "ColumnMap",
    "Component",
    "ConsilienceDeprecationWarning",
    "DataError",
    "DeclarationError",
    "Deprecation",
    "Diagnostic",
    "Dim",
    "Dims",
    "Draft",
    "Dtype",
    "Fault",
    "Field",
    "FieldType",
    "Float",
    "Fusion",
    "GradientBalancer",
    "Input",
    "InputNode",
    "Int",
    "LabelSpace",
    "Labels",
    "Location",
    "Loss",
    "LossNode",
    "Many",
    "Metric",
    "MetricNode",
    "Mixing",
    "Module",
    "ModuleNode",
    "Node",
    "Number",
    "Objective",
    "Part",
    "Place",
    "Port",
    "Ports",
    "Range",
    "Related",
    "Relation",
    "Resource",
    "ResourceNode",
    "Schedule",
    "Sees",
    "Severity",
    "Shapes",
    "Size",
    "Source",
    "SourceNode",
    "Text",
    "TrainSettings",
    "TrainingKeys",
    "Tuner",
    "UnfitFaultError",
    "UnknownDimError",
    "Unsolved",
    "Use",
    "deprecated",
    "diagnostics_of",
    "hookimpl",
    "nearest",
    "paste",
    "salvage",
    "show",
    "upstream",
]
